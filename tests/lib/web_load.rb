# Runs a prefork web server with the sample application, and puts load on it.
#
# usage: web_load.rb SERVER ECHO-ADDRESS DIRECTORY REQUESTS STEP...
#
#   SERVER      unicorn, puma, puma_fork_worker, gunicorn: configurations under tests/samples
#   DIRECTORY   for the socket and the files
#   STEP        worker=SIGNAL     to the worker that answered last
#               master=SIGNAL     to the master
#               log=COUNT,TEXT    until the server's log has so many lines with that text
#               stop=SIGNAL       to the master, when the load is over; it has to end
#
# The steps are spread over the load, which goes on for a while after the last of them.  Prints what was
# counted, as `KEY VALUE` lines.  A connection that breaks before the answer is there (its worker was
# killed) is counted and made again.

require 'socket'

RUBY_WEB = File.expand_path('../samples/ruby/web', __dir__)
PYTHON_WEB = File.expand_path('../samples/python/web', __dir__)
COMMANDS = {
  'unicorn' => %W[unicorn -c #{RUBY_WEB}/unicorn.rb #{RUBY_WEB}/config.ru],
  'puma' => %W[puma -C #{RUBY_WEB}/puma.rb #{RUBY_WEB}/config.ru],
  'puma_fork_worker' => %W[puma -C #{RUBY_WEB}/puma_fork_worker.rb #{RUBY_WEB}/config.ru],
  'gunicorn' => %W[gunicorn -c #{PYTHON_WEB}/gunicorn.py --pythonpath #{PYTHON_WEB}/.. web.application]
}.freeze
CLIENTS = 8

$stdout.sync = true

# A server process, as its owner would start it.
class WebServer
  def initialize(name, address, directory)
    @socket = "#{directory}/web.socket"
    @log = "#{directory}/web.log"
    @pid = Process.spawn({ 'ECHO_ADDRESS' => address, 'HEARTBEAT' => "#{directory}/heartbeat",
                           'WEB_SOCKET' => @socket, 'WEB_PID' => "#{directory}/web.pid",
                           'RACK_ENV' => 'deployment' },
                         *COMMANDS.fetch(name), %i[out err] => @log)
  end

  # Until it accepts connections; false where it ended instead.
  def await_start
    until Process.wait(@pid, Process::WNOHANG)
      begin
        UNIXSocket.open(@socket).close
        return true
      rescue SystemCallError
        sleep 0.02
      end
    end
    false
  end

  # The answer's status and body; nil where the connection broke: what the application says is one line.
  def get
    UNIXSocket.open(@socket) do |socket|
      socket.write("GET / HTTP/1.0\r\n\r\n")
      head, body = socket.read.split("\r\n\r\n", 2)
      status = head.to_s[/\AHTTP\S+ (\d+)/, 1]
      [status, body] if body && (status != '200' || body.end_with?("\n"))
    end
  rescue Errno::ECONNRESET, Errno::EPIPE
    nil
  end

  def signal(name)
    Process.kill(name, @pid)
  end

  def await_log(count, text)
    sleep 0.02 until File.readlines(@log).count { |line| line.include?(text) } >= count
  end

  def await_end
    Process.wait2(@pid)[1]
  end
end

# Which process used which connection, and when.
class Uses
  def initialize
    @spans = {}
  end

  def add(process, peer, time = Process.clock_gettime(Process::CLOCK_MONOTONIC))
    span = (@spans[[process, peer]] ||= [time, time])
    span[0] = [span[0], time].min
    span[1] = [span[1], time].max
  end

  def processes
    @spans.keys.map(&:first).uniq
  end

  # The most that one process had.
  def most_connections
    @spans.keys.group_by(&:first).values.map(&:size).max
  end

  # Those that two processes used at a time: later, the kernel may give a port to another one.
  def shared
    @spans.to_a.combination(2).count do |((process, peer), span), ((other, other_peer), other_span)|
      peer == other_peer && process != other && span[0] <= other_span[1] && other_span[0] <= span[1]
    end
  end
end

# Many clients, each with a request after the other.
class Load
  attr_reader :done, :failed, :broken, :uses

  def initialize(server, requests)
    @server = server
    @requests = requests
    @done = @failed = @broken = 0
    @uses = Uses.new
    @lock = Mutex.new
    @progress = ConditionVariable.new
  end

  def start
    @threads = Array.new(CLIENTS) { Thread.new { run_client } }
  end

  # The requests that are left, at least so many, and no more.
  def await_end(least)
    @requests = [@requests, @done + least].max
    @may_end = true
    @threads.each(&:join)
  end

  # Until that many requests are done; the process that answered last.
  def await(count)
    @lock.synchronize do
      @progress.wait(@lock) while @done < count
      @last
    end
  end

  private

  def run_client
    until @may_end && @done >= @requests
      answer = @server.get
      until answer
        @lock.synchronize { @broken += 1 }
        answer = @server.get
      end
      count(*answer)
    end
  end

  def count(status, body)
    pid, peer = body.split
    @lock.synchronize do
      @done += 1
      if status == '200'
        @last = pid.to_i
        @uses.add(@last, peer)
      else
        @failed += 1
      end
      @progress.broadcast
    end
  end
end

Heartbeat = Struct.new(:process, :loaded, :peer, :time)

# What the process that loaded the application saw meanwhile.  A server that executes itself anew
# loads it again.
def report_heartbeat(file, uses)
  beats = File.readlines(file).map { |line| Heartbeat.new(*line.split) }
  good, bad = beats.partition { |beat| beat.peer != 'failed' }
  good.each { |beat| uses.add(beat.process.to_i, beat.peer, beat.time.to_f) }
  connections = good.group_by(&:loaded).values.map { |list| list.map(&:peer).uniq.size }
  puts "master calls #{beats.size}"
  puts "master failed #{bad.size}"
  puts "master connections #{connections.max}"
end

# The worker that answered last; it may be gone by now.
def end_worker(signal, load)
  Process.kill(signal, load.await(load.done + 1))
rescue Errno::ESRCH
  retry
end

# Takes the steps while the load goes on; how many workers it killed.
def take_steps(steps, server, load, requests)
  killed = 0
  steps.each_with_index do |step, i|
    kind, what = step.split('=')
    load.await((i + 1) * requests / (steps.size + 1))
    case kind
    when 'master' then server.signal(what)
    when 'log' then server.await_log(what.to_i, what.split(',')[1])
    when 'worker'
      end_worker(what, load)
      killed += 1
    end
  end
  killed
end

name, address, directory, requests, *steps = ARGV
requests = requests.to_i
stops, steps = steps.partition { |step| step.start_with?('stop=') }
server = WebServer.new(name, address, directory)
abort "not started: #{File.read("#{directory}/web.log")}" unless server.await_start

load = Load.new(server, requests)
load.start
killed = take_steps(steps, server, load, requests)
load.await_end(requests / (steps.size + 1))

puts "requests #{load.done}"
puts "failed #{load.failed}"
puts "broken #{load.broken}"
puts "killed #{killed}"
puts "workers #{load.uses.processes.size}"
puts "connections per worker #{load.uses.most_connections}"
stops.each do |stop|
  server.signal(stop.split('=')[1])
  status = server.await_end
  puts "stopped #{status.exitstatus || status.termsig}"
end
report_heartbeat("#{directory}/heartbeat", load.uses)
puts "shared connections #{load.uses.shared}"
