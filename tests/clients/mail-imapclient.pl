# Perl's Mail::IMAPClient.
use strict;
use warnings;
use Mail::IMAPClient;

sub signed_on {
    my $imap = Mail::IMAPClient->new(
        Server => $ENV{HOST}, Port => $ENV{IMAP_PORT},
        User => $ENV{ADDRESS}, Password => $ENV{PASSWORD}, Timeout => 60, Peek => 1,
        $ENV{AUTH} ? (Authmechanism => $ENV{AUTH}) : (),
    ) or die "no session: $@";
    return $imap;
}

sub write_file {
    my ($name, $bytes) = @_;
    open my $file, '>:raw', $name or die $!;
    print $file $bytes;
    close $file or die $!;
}

sub fetch_all {
    my ($mailbox, $folder) = @_;
    mkdir $folder or die $!;
    my $imap = signed_on();
    $imap->examine($mailbox) or die $imap->LastError;
    for my $uid ($imap->messages) {
        write_file("$folder/$uid", $imap->message_string($uid) // die $imap->LastError);
    }
    $imap->logout;
}

my %tasks = (
    version => sub { print "$Mail::IMAPClient::VERSION\n" },
    'sign-on' => sub { signed_on()->logout or die },
    list => sub {
        my $imap = signed_on();
        write_file('list', join "\n", @{ $imap->folders or die $imap->LastError });
        $imap->logout;
    },
    fetch => sub { fetch_all('One', 'fetched') },
    append => sub {
        my $imap = signed_on();
        $imap->append_file('Kept', 'mail') or die $imap->LastError;
        $imap->logout;
    },
    idle => sub {
        my $imap = signed_on();
        $imap->select('INBOX') or die $imap->LastError;
        my $tag = $imap->idle or die $imap->LastError;
        $| = 1;
        print "idling\n";
        until (grep { /EXISTS/ } @{ $imap->idle_data(60) or die $imap->LastError }) { }
        print "told\n";
        $imap->done($tag) or die $imap->LastError;
        $imap->logout;
    },
    sync => sub { fetch_all('Many', 'synced') },
);

$tasks{ $ARGV[0] }->();
