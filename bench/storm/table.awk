# Prints lines of the storm's record as a table: a case, and below it a line for each mode.
# -v head=1: the head of the table alone.
BEGIN {
    FS = ","
    if (head) {
        print "                                                 CPU of the client"\
              "    CPU of the servers         time until up"
        print "mode    resumed of all           at least          ms    ratio"\
              "          ms    ratio          ms    ratio"
        exit
    }
}
FNR == 1 {
    printf "\n%s to %s, TLS %s%s; tickets %d and %d, %s; %s; %g ms; %d x %d",
        $1, $2, $3, $4 ? "" : ", no client certificates", $5, $6, $7, $8, $9, $10, $11
    if ($12 != 1000)
        printf "; waits %d ms", $12
    printf "; rounds: %d\n", $14
}
{
    printf "%-6s  %7g of %-6d %5.1f %%  %7g    %8.1f %8s    %8.1f %8s    %8.1f %8s\n",
        $13, $16, $15, 100 * $16 / $15, $17, $18, $21, $19, $22, $20, $23
}
