# Prints what of the storm's record stands in docs/storm.md, as Markdown.
BEGIN { FS = "," }
NR == 1 || $3 != "1.3" || $7 != "sealed" || $12 != 1000 { next }
# OpenSSL made to send more than it does, at other counts than the plots have.
$2 == "openssl" && ($5 == 2 && $6 == 2 || $5 == 8 && $6 == 1) { next }
{
    name = $1
    sub(/ .*/, "", name)
    lead = sprintf("| %s | %s | %d and %d | %s | %g ms |",
        name, $2 == "openssl" ? "OpenSSL" : "GnuTLS", $5, $6, $8, $9)
    key = lead SUBSEP $10 "x" $11
    if (!(key in of)) {
        keys[++count] = key
        of[key] = $15
    }
    cell[key, $13] = $13 == "none" ? sprintf("%.0f, %.0f, %.0f ms", $18, $19, $20) : \
        sprintf("**%.0f**; %.2f, %.2f, %.2f", $16, $21, $22, $23)
}
function head(lead, rule) {
    print ""
    print lead " no cache | own | burst | wait | wait, reuse |"
    print rule "---|---|---|---|---|"
}
function line(key, lead) {
    printf "%s %s | %s | %s | %s | %s |\n", lead, cell[key, "none"], cell[key, "own"],
        cell[key, "burst"], cell[key, "wait"], cell[key, "reuse"]
}
END {
    head("| client | server | tickets | start | delay |", "|---|---|---|---|---|")
    for (i = 1; i <= count; i++) {
        split(keys[i], part, SUBSEP)
        if (part[2] == "1x64")
            line(keys[i], part[1])
    }
    head("| client | server | tickets | start | delay | pools |", "|---|---|---|---|---|---|")
    for (i = 1; i <= count; i++) {
        split(keys[i], part, SUBSEP)
        split(part[2], size, "x")
        if (part[2] != "1x64" && part[1] ~ /^. OpenSSL .*(2 and [12]).* cold . 0 ms/)
            line(keys[i], part[1] " " size[1] " x " size[2] " |")
    }
}
