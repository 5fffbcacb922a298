"""Who is called next, and when: climbs up a ladder of people that never end until somebody stops them."""
