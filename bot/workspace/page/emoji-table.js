/** Shortcode to character: the names people and bots use in Slack, aliases joined by a bar. */
export const TABLE = `
grinning 😀 smiley 😃 smile 😄 grin 😁 laughing|satisfied 😆 sweat_smile 😅 joy 😂 rolling_on_the_floor_laughing|rofl 🤣
slightly_smiling_face|slight_smile 🙂 upside_down_face 🙃 wink 😉 blush 😊 innocent 😇 heart_eyes 😍 star-struck 🤩 kissing_heart 😘 yum 😋
stuck_out_tongue 😛 hugging_face|hugs 🤗 thinking_face|thinking 🤔 zipper_mouth_face 🤐 neutral_face 😐 expressionless 😑 no_mouth 😶 smirk 😏
unamused 😒 face_with_rolling_eyes|roll_eyes 🙄 grimacing 😬 relieved 😌 pensive 😔 sleepy 😪 sleeping 😴 mask 😷 face_with_thermometer 🤒
dizzy_face 😵 exploding_head 🤯 face_with_cowboy_hat 🤠 partying_face 🥳 sunglasses 😎 nerd_face 🤓 face_with_monocle 🧐 confused 😕 worried 😟
slightly_frowning_face 🙁 open_mouth 😮 hushed 😯 astonished 😲 flushed 😳 pleading_face 🥺 fearful 😨 cold_sweat 😰 cry 😢 sob 😭 scream 😱
disappointed 😞 sweat 😓 weary 😩 tired_face 😫 yawning_face 🥱 triumph 😤 rage 😡 angry 😠 skull 💀 ghost 👻 alien 👽 robot_face|robot 🤖
saluting_face 🫡 melting_face 🫠 face_with_peeking_eye 🫣 see_no_evil 🙈 hear_no_evil 🙉 speak_no_evil 🙊
wave 👋 raised_hand|hand ✋ ok_hand 👌 v ✌️ crossed_fingers 🤞 point_left 👈 point_right 👉 point_up_2 👆 point_down 👇 point_up ☝️
+1|thumbsup 👍 -1|thumbsdown 👎 fist ✊ facepunch|punch 👊 clap 👏 raised_hands 🙌 open_hands 👐 handshake 🤝 pray 🙏 writing_hand ✍️ muscle 💪
eyes 👀 eye 👁️ brain 🧠 ear 👂 speaking_head_in_silhouette 🗣️ bust_in_silhouette 👤 busts_in_silhouette 👥 family 👪
technologist 🧑‍💻 firefighter 🧑‍🚒 detective|sleuth_or_spy 🕵️ construction_worker 👷 guardsman 💂 superhero 🦸 mechanic 🧑‍🔧
shrug 🤷 facepalm|face_palm 🤦 raising_hand 🙋 no_good 🙅 ok_woman 🙆 bow 🙇 runner|running 🏃 walking 🚶 dancer 💃
heart ❤️ orange_heart 🧡 yellow_heart 💛 green_heart 💚 blue_heart 💙 purple_heart 💜 black_heart 🖤 white_heart 🤍 broken_heart 💔 sparkling_heart 💖
100 💯 boom|collision 💥 dizzy 💫 sweat_drops 💦 dash 💨 speech_balloon 💬 thought_balloon 💭 left_speech_bubble 🗨️ zzz 💤
dog 🐶 cat 🐱 mouse 🐭 bear 🐻 panda_face 🐼 monkey_face 🐵 chicken 🐔 penguin 🐧 bird 🐦 owl 🦉 bee|honeybee 🐝 bug 🐛 butterfly 🦋 snail 🐌
turtle 🐢 octopus 🐙 fish 🐟 whale 🐳 unicorn_face|unicorn 🦄 elephant 🐘 parrot 🦜
cherry_blossom 🌸 rose 🌹 sunflower 🌻 seedling 🌱 evergreen_tree 🌲 deciduous_tree 🌳 palm_tree 🌴 cactus 🌵 herb 🌿 four_leaf_clover 🍀 maple_leaf 🍁
earth_africa 🌍 earth_americas 🌎 earth_asia 🌏 globe_with_meridians 🌐 new_moon 🌑 full_moon 🌕 crescent_moon 🌙 star ⭐ star2 🌟 sparkles ✨
zap ⚡ fire 🔥 sunny ☀️ partly_sunny ⛅ cloud ☁️ rain_cloud 🌧️ thunder_cloud_and_rain ⛈️ snowflake ❄️ rainbow 🌈 ocean 🌊 umbrella ☔
apple 🍎 banana 🍌 lemon 🍋 cookie 🍪 cake 🍰 birthday 🎂 pizza 🍕 hamburger 🍔 coffee ☕ tea 🍵 beer 🍺 beers 🍻 wine_glass 🍷 champagne 🍾
tada 🎉 confetti_ball 🎊 balloon 🎈 gift 🎁 trophy 🏆 medal|sports_medal 🏅 first_place_medal 🥇 second_place_medal 🥈 third_place_medal 🥉
soccer ⚽ basketball 🏀 dart 🎯 video_game 🎮 game_die 🎲 jigsaw 🧩 art 🎨 musical_note 🎵 microphone 🎤 headphones 🎧 guitar 🎸
car|red_car 🚗 taxi 🚕 bus 🚌 ambulance 🚑 fire_engine 🚒 police_car 🚓 truck 🚚 bike 🚲 train 🚋 airplane ✈️ rocket 🚀 ship 🚢 anchor ⚓
construction 🚧 rotating_light 🚨 traffic_light 🚥 vertical_traffic_light 🚦 octagonal_sign|stop_sign 🛑 world_map 🗺️ house 🏠 office 🏢 hospital 🏥 bank 🏦 factory 🏭
watch ⌚ iphone 📱 computer 💻 keyboard ⌨️ desktop_computer 🖥️ printer 🖨️ floppy_disk 💾 cd 💿 camera 📷 tv 📺 telephone_receiver 📞 phone|telephone ☎️ pager 📟
battery 🔋 electric_plug 🔌 bulb 💡 flashlight 🔦 candle 🕯️ fire_extinguisher 🧯 money_with_wings 💸 dollar 💵 moneybag 💰 credit_card 💳 gem 💎
scales|balance_scale ⚖️ toolbox 🧰 wrench 🔧 hammer 🔨 hammer_and_wrench 🛠️ gear ⚙️ magnet 🧲 test_tube 🧪 microscope 🔬 telescope 🔭 satellite_antenna 📡
syringe 💉 pill 💊 adhesive_bandage 🩹 stethoscope 🩺 door 🚪 bell 🔔 no_bell 🔕 loudspeaker 📢 mega 📣 hourglass ⌛ hourglass_flowing_sand ⏳
alarm_clock ⏰ stopwatch ⏱️ timer_clock ⏲️ clock1 🕐 clock3 🕒 clock6 🕕 clock9 🕘 clock12 🕛 calendar 📆 date 📅 spiral_calendar_pad 🗓️
envelope|email ✉️ incoming_envelope 📨 e-mail 📧 inbox_tray 📥 outbox_tray 📤 package 📦 mailbox 📫 memo|pencil 📝 page_facing_up 📄 page_with_curl 📃 scroll 📜
bar_chart 📊 chart_with_upwards_trend 📈 chart_with_downwards_trend 📉 clipboard 📋 pushpin 📌 round_pushpin 📍 paperclip 📎 link 🔗 straight_ruler 📏 scissors ✂️
card_index 📇 card_file_box 🗃️ file_cabinet 🗄️ wastebasket 🗑️ lock 🔒 unlock 🔓 closed_lock_with_key 🔐 key 🔑 old_key 🗝️ shield 🛡️
open_file_folder 📂 file_folder 📁 newspaper 📰 book|open_book 📖 books 📚 bookmark 🔖 label 🏷️ mag 🔍 mag_right 🔎 pencil2 ✏️ lower_left_ballpoint_pen 🖊️
warning ⚠️ no_entry ⛔ no_entry_sign 🚫 radioactive_sign ☢️ biohazard_sign ☣️ arrow_up ⬆️ arrow_down ⬇️ arrow_left ⬅️ arrow_right ➡️
arrow_upper_right ↗️ arrow_lower_right ↘️ arrow_upper_left ↖️ arrow_lower_left ↙️ arrow_up_down ↕️ left_right_arrow ↔️ leftwards_arrow_with_hook ↩️ arrow_right_hook ↪️
arrows_counterclockwise 🔄 arrows_clockwise 🔃 repeat 🔁 twisted_rightwards_arrows 🔀 arrow_forward ▶️ arrow_backward ◀️ fast_forward ⏩ rewind ⏪ arrow_double_up ⏫
double_vertical_bar|pause_button ⏸️ black_square_for_stop|stop_button ⏹️ black_circle_for_record ⏺️ eject ⏏️ arrow_up_small 🔼 arrow_down_small 🔽
white_check_mark ✅ heavy_check_mark ✔️ ballot_box_with_check ☑️ x ❌ negative_squared_cross_mark ❎ heavy_plus_sign ➕ heavy_minus_sign ➖ heavy_division_sign ➗
question ❓ grey_question ❔ exclamation|heavy_exclamation_mark ❗ grey_exclamation ❕ bangbang ‼️ interrobang ⁉️ information_source ℹ️ recycle ♻️ trident 🔱
red_circle 🔴 large_orange_circle 🟠 large_yellow_circle 🟡 large_green_circle 🟢 large_blue_circle 🔵 large_purple_circle 🟣 large_brown_circle 🟤 white_circle ⚪ black_circle ⚫
large_red_square 🟥 large_orange_square 🟧 large_yellow_square 🟨 large_green_square 🟩 large_blue_square 🟦 large_purple_square 🟪 white_large_square ⬜ black_large_square ⬛
white_small_square ▫️ black_small_square ▪️ small_red_triangle 🔺 small_red_triangle_down 🔻 large_orange_diamond 🔶 large_blue_diamond 🔷 small_blue_diamond 🔹 small_orange_diamond 🔸
radio_button 🔘 white_flag|waving_white_flag 🏳️ black_flag|waving_black_flag 🏴 checkered_flag 🏁 triangular_flag_on_post 🚩 crossed_flags 🎌 new 🆕 free 🆓 up 🆙 cool 🆒 ok 🆗 sos 🆘
zero 0️⃣ one 1️⃣ two 2️⃣ three 3️⃣ four 4️⃣ five 5️⃣ six 6️⃣ seven 7️⃣ eight 8️⃣ nine 9️⃣ keycap_ten 🔟 hash #️⃣ 1234 🔢 abc 🔤
copyright ©️ registered ®️ tm ™️ infinity ♾️ wavy_dash 〰️ crown 👑 tophat 🎩 mortar_board 🎓 briefcase 💼 eyeglasses 👓 compass 🧭 luggage 🧳 parachute 🪂 ladder 🪜 bricks 🧱 hook 🪝 wheelchair ♿
baby_chick 🐥 hatching_chick 🐣 egg 🥚 popcorn 🍿 bread 🍞 salt 🧂 ice_cube 🧊 knot 🪢 thread 🧵 wood 🪵 rock 🪨 feather 🪶 ghost_town 🏚️ stadium 🏟️ tent ⛺ volcano 🌋 sunrise 🌅 night_with_stars 🌃
`;
