# Lists the targets of the Makefiles given: lines "target: ... ## what it does", under "##@ heading".
BEGIN { print "make <target>" }
/^##@ / { printf "\n%s\n", substr($0, 5) }
/^[a-z][a-z0-9-]*:.*## / {
    target = $0; sub(/:.*/, "", target)
    text = $0; sub(/.*## /, "", text)
    printf "  %-18s %s\n", target, text
}
