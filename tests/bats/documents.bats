#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# The marks in tables are no commands of the shell.
# shellcheck disable=SC2030,SC2031,SC2016
#
# The documents hold together.

load ../lib/harness

setup_file() {
    # shellcheck source=scripts/lib.bash
    source "$HARNESS_DIRECTORY/../../scripts/lib.bash"
    export ROOT
}

@test "The README begins with words that tests show to come without the library, and not with it" {
    local words
    run sed -n '/^| What you see/,/^$/s/^| `\([^`]*\)`.*/\1/p' "$ROOT/README.md"
    assert [ "${#lines[@]}" -ge 5 ]
    for words in "${lines[@]}"; do
        grep -Fq -- "$words" "$ROOT/docs/symptoms.md" || fail "not in symptoms.md: $words"
        grep -Fq -- "$words" "$ROOT/tests/bats/symptoms.bats" || fail "nothing shows: $words"
    done
}

# WCAG's contrast of text, which is 4.5, to either background; most pages have nearly these.
@test "The picture of a fork can be read on white and on black" {
    run /usr/bin/python3 - "$ROOT/docs/fork.svg" <<'END'
import re, sys
import xml.etree.ElementTree as ElementTree

text = open(sys.argv[1]).read()
ElementTree.fromstring(text)

def luminance(colour):
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    parts = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(p * weight for p, weight in zip(parts, (0.2126, 0.7152, 0.0722)))

colours = set(re.findall(r"(?:fill|stroke): *([^;]+);", text)) - {"none"}
for colour in sorted(colours):
    contrasts = 1.05 / (luminance(colour) + 0.05), (luminance(colour) + 0.05) / 0.05
    if min(contrasts) < 4.5:
        sys.exit(f"{colour}: {contrasts}")
if len(colours) < 2 or re.search(r'(fill|stroke)="', text):
    sys.exit("its colours are set elsewhere")
END
    assert_success
}

@test "Each link leads somewhere" {
    run /usr/bin/python3 "$HARNESS_DIRECTORY/links.py" "$ROOT"/README.md "$ROOT"/docs/*.md
    assert_success
    assert_output ''
}
