# gnuplot -c plot.gp RECORD DIRECTORY: draws what `make storm` recorded.

record = ARG1
directory = ARG2
set datafile separator ","
set encoding utf8

modes = "none own burst wait reuse"
array title_of[5] = ["no cache", "own", "burst", "wait", "wait, reuse"]
# Told apart also by those who do not tell red from green.
array colour[5] = ["#9aa0a6", "#e69f00", "#56b4e9", "#0072b2", "#009e73"]

# Lines of the record that pass all conditions, which awk reads: $1 is the client, and so on. The goal
# case is in the record twice.
lines(conditions) = sprintf("< awk -F, 'NR > 1 && $3 == \"1.3\" && $12 == 1000 && %s && " . \
    "!seen[$1, $2, $5, $6, $10, $11, $13]++' %s", conditions, record)
client(name) = sprintf("$1 ~ /^%s/", name)
supply(server, full, resumed) = sprintf( \
    "$2 == \"%s\" && $5 == %d && $6 == %d && $7 == \"sealed\"", server, full, resumed)
storm(scenario, rtt, nodes) = sprintf( \
    "$8 == \"%s\" && $9 == %d && $10 == %d", scenario, rtt, nodes)
is(mode) = sprintf("$13 == \"%s\"", mode)

# In the order of the plots; the record is not in that order.
place(full, resumed) = full == 0 ? 0 : full == 1 ? 1 : full == 8 ? 4 : resumed == 1 ? 2 : 3
supplies = "$7 == \"sealed\" && !($2 == \"openssl\" && $5 == 2 && $6 == 2) && $6 != ($5 == 8 ? 1 : -1)"

set style fill solid 1.0 noborder
set border 3 lc rgb "#606060"
set tics nomirror textcolor rgb "#303030"
set grid ytics lc rgb "#e4e4e4" lt 1 lw 0.7
# One key for all panels of a picture: the first panel has it, at the top of the page.
legend(y) = sprintf("set key at screen 0.5, screen %g center maxrows 1 samplen 1.5 spacing 1 width 1", y)

# ---- The share that is resumed ------------------------------------------------------------------

set terminal svg size 900,400 font "Helvetica,13" background rgb "white" enhanced
set output directory . "/storm-share.svg"
set multiplot layout 1,2 margins 0.07,0.99,0.17,0.76 spacing 0.08 title \
    "Resumed at a cold start: 64 connections at once, one node, 0 ms" font ",15"
set yrange [0:70]
set format y "%.0f"
set ytics (0, 16, 32, 48, 64)
set xrange [-0.5:4.5]
set xtics ("0 and 0" 0, "1 and 1" 1, "2 and 1" 2, "2 and 2" 3, "8 and 8" 4) scale 0
set xlabel "tickets of a full and of a resumed handshake"
eval legend(0.86)
do for [name in "OpenSSL rustls"] {
    set title name . " client" offset 0,-0.5
    share(mode) = lines(client(name) . " && " . storm("cold", 0, 1) . " && $11 == 64 && " . \
        supplies . " && " . is(mode))
    plot for [i = 2:5] share(word(modes, i)) \
        using (place($5, $6) + 0.2 * (i - 3.5)):16:(0.18) with boxes \
        lc rgb colour[i] title title_of[i], \
        for [i = 2:5] share(word(modes, i)) \
        using (place($5, $6) + 0.2 * (i - 3.5)):($16 + 2):(sprintf("%.0f", $16)) with labels \
        font ",9" tc rgb "#303030" notitle
    unset key
}
unset multiplot

# ---- CPU ----------------------------------------------------------------------------------------

set terminal svg size 900,420 font "Helvetica,13" background rgb "white" enhanced
set output directory . "/storm-cpu.svg"
set multiplot layout 1,2 margins 0.08,0.99,0.27,0.76 spacing 0.08 title \
    "CPU of a cold start: 64 connections at once, one node, 0 ms, client certificates" font ",15"
set yrange [0:160]
set format y "%.0f ms"
set ytics auto
set xrange [-0.7:10.7]
set xtics rotate by -35 ("no cache" 0, "own" 1, "burst" 2, "wait" 3, "reuse" 4, \
    "no cache" 6, "own" 7, "burst" 8, "wait" 9, "reuse" 10)
set xlabel "two and one (OpenSSL)               two and two (GnuTLS)" offset 0,-0.3
eval legend(0.86)
column_of(mode) = mode eq "none" ? 0 : mode eq "own" ? 1 : mode eq "burst" ? 2 : \
    mode eq "wait" ? 3 : 4
do for [name in "OpenSSL rustls"] {
    set title name . " client" offset 0,-0.5
    both = client(name) . " && " . storm("cold", 0, 1) . " && $11 == 64 && $7 == \"sealed\" && " . \
        "(($2 == \"openssl\" && $5 == 2 && $6 == 1) || $2 == \"gnutls\")"
    plot lines(both) using (column_of(strcol(13)) + ($6 == 2 ? 6 : 0)):($18 + $19):(0.8) \
        with boxes lc rgb "#56b4e9" title "client", \
        lines(both) using (column_of(strcol(13)) + ($6 == 2 ? 6 : 0)):19:(0.8) \
        with boxes lc rgb "#0072b2" title "server"
    unset key
}
unset multiplot

# ---- Time until the pool is up ------------------------------------------------------------------

set terminal svg size 900,680 font "Helvetica,13" background rgb "white" enhanced
set output directory . "/storm-up.svg"
set multiplot layout 2,2 margins 0.09,0.99,0.09,0.86 spacing 0.09,0.13 title \
    "Time until the pool is up: cold start, one node, OpenSSL client" font ",15"
set logscale xy
set xrange [13:310]
set yrange [5:2000]
set xtics norotate (16, 64, 256) scale 1
set ytics (5, 10, 20, 50, 100, 200, 500, 1000, 2000)
set xlabel "connections, all at once" offset 0,0.4
eval legend(0.92)
# The first three are nearly the same, and still to be seen.
array width[5] = [6, 3, 2, 2, 2]
array dash[5] = [1, 2, 3, 1, 1]
do for [rtt in "0 20"] {
    do for [server in "openssl gnutls"] {
        set title (server eq "openssl" ? "two and one (OpenSSL), " : "two and two (GnuTLS), ") . \
            rtt . " ms" offset 0,-0.5
        plot for [i = 1:5] lines(client("OpenSSL") . " && " . storm("cold", int(rtt), 1) . " && " . \
                                 supply(server, 2, server eq "openssl" ? 1 : 2) . " && " . \
                                 is(word(modes, i))) \
            using 11:20 with linespoints lw width[i] dt dash[i] pt 7 ps 0.4 lc rgb colour[i] \
            title title_of[i]
        unset key
    }
}
unset multiplot
