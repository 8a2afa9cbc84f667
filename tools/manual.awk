# Writes a page of the manual as it is installed: a link to a file that is not installed leads into the repository.
# -v installed='README.md docs/c.md ...': what the links of installed pages find; -v repository=URL: where it has the
# files of this version.
BEGIN {
    count = split(installed, files, " ")
    for (i = 1; i <= count; i++)
        for (path = files[i]; path != ""; sub(/\/?[^\/]*$/, "", path))
            is_installed[path] = 1
}
FNR == 1 { folder = FILENAME; sub(/[^\/]*$/, "", folder) }
function placed(link, file, anchor) {
    if (link ~ /^(#|[a-z]+:)/)
        return link
    file = link
    sub(/#.*/, "", file)
    anchor = substr(link, length(file) + 1)
    file = folder file
    while (sub(/[^\/]+\/\.\.\//, "", file));
    sub(/\/$/, "", file)
    return is_installed[file] ? link : repository file anchor
}
/^ *```/ { is_code = !is_code }
{
    line = ""
    while (!is_code && match($0, /\]\([^)]+\)/)) {
        line = line substr($0, 1, RSTART + 1) placed(substr($0, RSTART + 2, RLENGTH - 3)) ")"
        $0 = substr($0, RSTART + RLENGTH)
    }
    print line $0
}
