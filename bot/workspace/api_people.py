"""auth.*, users.*, usergroups.*, team, bots and do-not-disturb: who is here."""

from bot.workspace.asking import Ask
from bot.workspace.errors import SlackError
from bot.workspace.things import Doc, Person


async def api_test(ask: Ask) -> Doc:
    if error := ask.text("error"):
        raise SlackError(error, args=ask.args)
    return {"args": ask.args}


async def auth_test(ask: Ask) -> Doc:
    ws = ask.ws
    answer: Doc = {
        "url": f"{ws.base_url}/", "team": ws.team_name, "user": ws.store.people[ask.me].name, "team_id": ws.team_id,
        "user_id": ask.me, "bot_id": ask.app.bot_id, "is_enterprise_install": False,
    }
    if ws.enterprise_id:
        answer["enterprise_id"] = ws.enterprise_id
    return answer


async def auth_revoke(ask: Ask) -> Doc:
    if ask.flag("test"):
        return {"revoked": False}
    ask.ws.revoke(ask.token)
    return {"revoked": True}


async def open_connection(ask: Ask) -> Doc:
    """A websocket address, good for one connection."""
    ws = ask.ws
    address = ws.base_url.replace("http", "ws", 1)
    return {"url": f"{address}/socket/{ws.sockets.ticket(ask.app)}?ticket=1&app_id={ask.app.id}"}


def shown(ask: Ask, person: Person) -> Doc:
    return person.as_slack(
        ask.ws.now(), email="users:read.email" in ask.app.scopes, locale=ask.flag("include_locale")
    )


async def users_list(ask: Ask) -> Doc:
    page, cursor = ask.page(list(ask.ws.store.people.values()), default=1000)
    return {
        "members": [shown(ask, person) for person in page], "cache_ts": ask.ws.micros() // 1_000_000,
        "response_metadata": {"next_cursor": cursor},
    }


async def users_info(ask: Ask) -> Doc:
    return {"user": shown(ask, ask.person(ask.need("user", "user_not_found")))}


async def lookup_by_email(ask: Ask) -> Doc:
    email = ask.need("email", "users_not_found").strip().lower()
    for person in ask.ws.store.people.values():
        if person.email.lower() == email and not person.deleted and not person.is_stranger:
            return {"user": shown(ask, person)}
    raise SlackError("users_not_found")


async def groups_list(ask: Ask) -> Doc:
    groups = [g for g in ask.ws.store.groups.values() if not g.disabled or ask.flag("include_disabled")]
    users, count = ask.flag("include_users"), ask.flag("include_count")
    return {"usergroups": [group.as_slack(ask.ws.team_id, users=users, count=count) for group in groups]}


async def group_users(ask: Ask) -> Doc:
    group = ask.ws.store.groups.get(ask.need("usergroup", "no_such_subteam"))
    if group is None or (group.disabled and not ask.flag("include_disabled")):
        raise SlackError("no_such_subteam")
    return {"users": list(group.users)}


async def team_info(ask: Ask) -> Doc:
    ws = ask.ws
    team: Doc = {
        "id": ws.team_id, "name": ws.team_name, "url": f"{ws.base_url}/", "domain": ws.team_domain,
        "email_domain": "", "icon": {"image_default": True}, "avatar_base_url": f"{ws.base_url}/",
        "is_verified": False,
    }
    if ws.enterprise_id:
        team |= {"enterprise_id": ws.enterprise_id, "enterprise_name": ws.team_name}
    return {"team": team}


async def bots_info(ask: Ask) -> Doc:
    wanted = ask.text("bot")
    for app in ask.ws.store.apps.values():
        if app.bot_id == wanted:
            return {"bot": {
                "id": app.bot_id, "deleted": not app.installed, "name": app.name, "updated": 0, "app_id": app.id,
                "user_id": app.bot_user_id, "icons": {},
            }}
    raise SlackError("bot_not_found")


async def dnd_info(ask: Ask) -> Doc:
    user = ask.text("user") or ask.me
    return ask.person(user).dnd(ask.ws.now(), own=user == ask.me)


async def dnd_team(ask: Ask) -> Doc:
    users = ask.names("users")
    if not users:
        raise SlackError("missing_argument")
    if len(users) > 50:
        raise SlackError("too_many_users")
    known = [ask.ws.store.people[user] for user in users if user in ask.ws.store.people]
    return {"users": {person.id: person.dnd(ask.ws.now()) for person in known if not person.deleted}}
