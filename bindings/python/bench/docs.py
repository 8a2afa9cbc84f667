"""docs.py NAME: puts what a benchmark prints, from standard input, into docs/python.md."""

import pathlib
import re
import sys

PAGE = pathlib.Path(__file__).parents[3] / "docs" / "python.md"


def main(name):
    printed = sys.stdin.read().rstrip()
    begin, end = f"<!-- printed by {name} -->\n", "<!-- end -->"
    page, count = re.subn(
        f"{re.escape(begin)}.*?{re.escape(end)}",
        lambda _: f"{begin}\n```text\n{printed}\n```\n\n{end}",
        PAGE.read_text(),
        flags=re.DOTALL,
    )
    assert printed and count == 1, (name, count)
    PAGE.write_text(page)


if __name__ == "__main__":
    main(*sys.argv[1:])
