# Ruby's net-imap and net-smtp.
require 'net/imap'
require 'net/smtp'

HOST, IMAP_PORT, SMTP_PORT, ADDRESS, PASSWORD, AUTH =
  ENV.values_at('HOST', 'IMAP_PORT', 'SMTP_PORT', 'ADDRESS', 'PASSWORD', 'AUTH')

def signed_on
  imap = Net::IMAP.new(HOST, port: IMAP_PORT)
  # As bytes: it takes no other 8-bit string.
  AUTH ? imap.authenticate(AUTH, ADDRESS, PASSWORD.b) : imap.login(ADDRESS, PASSWORD.b)
  imap
end

def fetch_all(mailbox, folder)
  Dir.mkdir(folder)
  imap = signed_on
  imap.examine(mailbox)
  imap.uid_fetch(1..-1, 'BODY.PEEK[]').each do |mail|
    File.binwrite("#{folder}/#{mail.attr['UID']}", mail.attr['BODY[]'])
  end
  imap.logout
end

case ARGV[0]
when 'version'
  puts "#{Net::IMAP::VERSION}, #{Net::SMTP::VERSION}"
when 'sign-on'
  signed_on.logout
when 'list'
  imap = signed_on
  File.write('list', imap.list('', '*').map(&:name).join("\n"))
  imap.logout
when 'fetch'
  fetch_all('One', 'fetched')
when 'append'
  imap = signed_on
  imap.append('Kept', File.binread('mail'), [:Seen])
  imap.logout
when 'send'
  smtp = Net::SMTP.new(HOST, SMTP_PORT)
  smtp.start('client.test', ADDRESS, PASSWORD, (AUTH || 'login').to_sym) do
    smtp.send_message(File.binread('mail'), ADDRESS, ADDRESS)
  end
when 'idle'
  imap = signed_on
  imap.select('INBOX')
  $stdout.sync = true
  imap.idle(60) do |response|
    puts 'idling' if response.is_a?(Net::IMAP::ContinuationRequest)
    next unless response.is_a?(Net::IMAP::UntaggedResponse) && response.name == 'EXISTS'
    puts 'told'
    imap.idle_done
  end
  imap.logout
when 'sync'
  fetch_all('Many', 'synced')
end
