set -e
mkdir -p /tmp/stats-test
printf 'a\nb\n' > /tmp/stats-test/two
sh stats.sh /tmp/stats-test | grep -q '^ *2 '
rm -r /tmp/stats-test
