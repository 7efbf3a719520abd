# usage: awk -v soft=100 -v hard=140 -f lines.awk files …
# Prints lines over the hard limit, and a note that counts those over the soft one. Generated addresses (URLs) may be long.
length($0) > hard && $0 !~ /https?:\/\/|^X\(|^    X\(/ { print FILENAME ":" FNR ": " length($0) " characters, " hard " are the limit" }
length($0) > soft { over[FILENAME]++; total++ }
END { if (total) { for (f in over) files++; print "note: " total " lines of " files " files are over " soft " characters" } }
