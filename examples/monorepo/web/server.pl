# Answers every request with one page; `--once` prints the page instead, to see that it works.
use strict;
use warnings;
use IO::Socket::INET;

open my $file, '<', '/srv/page.html' or die "page.html: $!";
my $page = do { local $/; <$file> };
if (@ARGV && $ARGV[0] eq '--once') { print $page; exit }

my $server = IO::Socket::INET->new(LocalPort => 8000, Listen => 16, ReuseAddr => 1) or die $@;
while (my $client = $server->accept) {
    while (<$client>) { last if /^\r?$/ }
    print $client "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n$page";
    close $client;
}
