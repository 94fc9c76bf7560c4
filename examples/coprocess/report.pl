#!/usr/bin/env perl
# Answers a list of numbers with a report, line by line.
use strict;
use warnings;
use JSON::PP;

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
$| = 1;    # each line is sent at once

while (my $line = <STDIN>) {
    my $numbers = $json->decode($line)->{event};
    if (ref $numbers ne 'ARRAY') {
        answer({ error => { errorType => 'NotAList', errorMessage => 'the event is not a list' } });
        next;
    }
    my $sum = 0;
    for my $number (@$numbers) {
        $sum += $number;
        answer({ chunk => "$number makes $sum\n" });
    }
    answer({ result => { sum => $sum } });
}

sub answer { print $json->encode($_[0]), "\n" }
