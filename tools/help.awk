# Lists the targets of the makefiles given: lines "target: ... ## what it does", under "##@ part".
# -v first='a b c': these are listed first, in this order, and not again; -v version; -v colour, if set.
BEGIN {
    if (colour) { bold = "\033[1m"; blue = "\033[36m"; plain = "\033[0m" }
    count = split(first, start)
    for (i = 1; i <= count; i++)
        is_first[start[i]] = 1
}
function line(target) { return sprintf("  %s%-27s%s %s\n", blue, target, plain, text[target]) }
/^##@ / { part = substr($0, 5); parts[++last] = part }
/^[a-z][a-z0-9-]*:.*## / {
    target = $0; sub(/:.*/, "", target)
    text[target] = $0; sub(/.*## /, "", text[target])
    if (!is_first[target])
        of[part] = of[part] line(target)
}
END {
    printf "%slibtsc %s%s: make TARGET\n\n%sStart here%s\n", bold, version, plain, bold, plain
    for (i = 1; i <= count; i++)
        printf "%s", line(start[i])
    for (i = 1; i <= last; i++)
        if (of[parts[i]])
            printf "\n%s%s%s\n%s", bold, parts[i], plain, of[parts[i]]
}
