"""What is planted in good text to make it raw: repeats of documents, link lists, repetitive advertisements.

Only such rubbish as the rules of `prepcore clean` are for. Boilerplate inside of a good document is not: no
rule takes lines out of a document.
"""

from __future__ import annotations

import random

COPIED = 0.3
"""Share of the good documents that occur several times, `TIMES` in all."""

TIMES = (3, 4, 5)

LINK_LISTS = 0.8
"""Lists of links for each good document: a line or two, so `short_lines` drops them."""

ADVERTISEMENTS = 0.3
"""Advertisements for each good document: a paragraph many times over, so `repetition` drops them."""

LINKS = (
    "Home", "About us", "Contact", "Log in", "Register", "My account", "Shopping basket", "Checkout", "Help",
    "Frequently asked questions", "Privacy policy", "Terms of use", "Cookie settings", "Site map", "Search",
    "Advanced search", "Newsletter", "RSS feed", "Print this page", "Send to a friend", "Share on Facebook",
    "Tweet this", "Next page", "Previous page", "Back to top", "Archive", "Categories", "Tags", "Latest news",
    "Most read", "Careers", "Press", "Investors", "Partners", "Downloads", "Support", "Forum", "Chat", "Map",
    "Opening hours", "Delivery", "Returns", "Gift cards", "Sale", "New arrivals", "Brands", "Stores",
    "English", "Deutsch", "Français", "Español", "Mobile version", "Accessibility", "Report abuse",
    "Jobs", "Events",
)  # fmt: skip

ADVERTS = (
    "Buy {thing} online at the lowest price! Free shipping on all orders over ${number}. Order today.",
    "Best {thing} {number} review - top {number} {thing} deals - cheap {thing} - {thing} coupon code",
    "You will not believe how this {thing} changed my life in only {number} days. Click here to learn more!",
    "Looking for {thing}? We have {number} offers for {thing} near you. Compare {thing} prices now and save.",
    "Earn ${number} a day from home with {thing}. No experience needed! Sign up for your free {thing} guide.",
    "Limited offer: {number} % off {thing} this week only!!! Hurry, only {number} {thing} left in stock.",
)

THINGS = (
    "car insurance", "diet pills", "watches", "printer ink", "sun glasses", "web hosting", "mattresses",
    "loans", "running shoes", "hotel rooms", "phone cases", "vitamins", "garden chairs", "ringtones",
    "casino bonus",
)  # fmt: skip


def corrupted(good: list[str], seed: int) -> list[dict[str, str]]:
    """Return documents with their repeats and junk among them, in an order drawn from the seed.

    Returns
    -------
    list
        ``text``, and ``kind``: ``good`` for each copy of a good document, ``links`` or ``advertisement``.
    """
    drawn = random.Random(seed)
    rows = []
    for text in good:
        times = drawn.choice(TIMES) if drawn.random() < COPIED else 1
        rows += [{"text": text, "kind": "good"}] * times
    rows += [{"text": _links(drawn), "kind": "links"} for _ in range(round(LINK_LISTS * len(good)))]
    rows += [
        {"text": _advertisement(drawn), "kind": "advertisement"}
        for _ in range(round(ADVERTISEMENTS * len(good)))
    ]
    drawn.shuffle(rows)
    return rows


def _links(drawn: random.Random) -> str:
    lines = [" | ".join(drawn.sample(LINKS, drawn.randint(12, 24))) for _ in range(drawn.randint(1, 2))]
    return "\n".join(lines)


def _advertisement(drawn: random.Random) -> str:
    paragraph = drawn.choice(ADVERTS).format(thing=drawn.choice(THINGS), number=drawn.randint(2, 99))
    return "\n\n".join([paragraph] * drawn.randint(8, 20))
