# Each file in mk/ can be read by itself: a variable that one defines is used in no other, unless it is
# defined in common.mk.
FNR == 1 { name = FILENAME; sub(/.*\//, "", name) }
/^(export |define )?[A-Za-z_]+ *[:?+]?=/ {
    variable = $0
    sub(/^export /, "", variable)
    sub(/ *[:?+]?=.*/, "", variable)
    if (defined[variable] && defined[variable] != name)
        complain(variable, "defined in " defined[variable] " and in " name)
    defined[variable] = name
}
{
    rest = $0
    while (match(rest, /\$\(+[A-Za-z_]+[):]/)) {
        variable = substr(rest, RSTART, RLENGTH)
        rest = substr(rest, RSTART + RLENGTH - 1)
        gsub(/[^A-Za-z_]/, "", variable)
        uses[variable, name] = 1
    }
}
function complain(variable, what) {
    print "mk: " variable " is " what > "/dev/stderr"
    failed = 1
}
END {
    for (use in uses) {
        split(use, part, SUBSEP)
        home = defined[part[1]]
        if (home && home != "common.mk" && home != part[2])
            complain(part[1], "defined in " home " and used in " part[2])
    }
    if (!failed)
        print "mk/*.mk: each needs variables of its own and of common.mk"
    exit failed
}
