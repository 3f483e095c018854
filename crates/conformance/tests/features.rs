//! What scripts may be written in: each line of the table is a piece of a script that passes.

use tidewire_conformance::{Options, Verdict, run_file};

const OPENED: &str = "`./defaults.sh`
    0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
   +0 bind(3, {sa_family = AF_INET, sin_port = htons(8080), sin_addr = inet_addr(\"192.168.0.1\")}, ...) = 0
   +0 listen(3, 1) = 0
   +0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>
   +0 > S. 0:0(0) ack 1 <...>
  +.1 < . 1:1(0) ack 1 win 257
   +0 accept4(3, ..., ..., SOCK_NONBLOCK) = 4
";

const PIECES: &[(&str, &str)] = &[
    ("poll says that there is room", "+0 poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLOUT}], 1, 0) = 1"),
    ("poll finds nothing", "+0 poll([{fd=4, events=POLLIN, revents=0}], 1, 0) = 0"),
    ("poll waits as long as it is told", "+0...0.5 poll([{fd=4, events=POLLIN}], 1, 500) = 0"),
    (
        "poll wakes for data",
        "+0...0.2 poll([{fd=4, events=POLLIN, revents=POLLIN}], 1, -1) = 1
        +.2 < P. 1:101(100) ack 1 win 257
        +0 > . 1:1(0) ack 101
        +0 read(4, ..., 1000) = 100",
    ),
    (
        "poll sees the end of the stream",
        "+.1 < F. 1:1(0) ack 1 win 257
        * > . 1:1(0) ack 2
        +.1 poll([{fd=4, events=POLLIN|POLLOUT|POLLRDHUP, revents=POLLIN|POLLOUT|POLLRDHUP}], 1, 0) = 1",
    ),
    (
        "poll sees a reset",
        "+.1 < R. 1:1(0) ack 1 win 257
        +0 poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLIN|POLLOUT|POLLERR|POLLHUP}], 1, 0) = 1
        +0 read(4, ..., 1000) = -1 ECONNRESET (Connection reset by peer)",
    ),
    (
        "poll does not know a closed descriptor",
        "+0 poll([{fd=9, events=POLLIN, revents=POLLNVAL}], 1, 0) = 1",
    ),
    (
        "a listener is readable with somebody in the queue",
        "+0 poll([{fd=3, events=POLLIN, revents=0}], 1, 0) = 0",
    ),
    (
        "epoll",
        "+0 epoll_create(1) = 5
        +0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN, fd=4}) = 0
        +0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN, fd=4}) = -1 EEXIST
        +0 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 0) = 0
        +0...0.1 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 1000) = 1
        +.1 < P. 1:101(100) ack 1 win 257
        +0 > . 1:1(0) ack 101
        +0 epoll_ctl(5, EPOLL_CTL_DEL, 4, {events=0, fd=4}) = 0",
    ),
    (
        "a blocking read gives up",
        "+0 fcntl(4, F_SETFL, O_RDWR) = 0
        +0 setsockopt(4, SOL_SOCKET, SO_RCVTIMEO, {tv_sec=0, tv_usec=300000}, 16) = 0
        +0...0.3 read(4, ..., 1000) = -1 EAGAIN (Resource temporarily unavailable)",
    ),
    (
        "close waits for the FIN to be acknowledged",
        "+0 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=5}, 8) = 0
        +0...0.1 close(4) = 0
        +0 > F. 1:1(0) ack 1
        +.1 < . 1:1(0) ack 2 win 257
        +0 close(4) = -1 EBADF (Bad file descriptor)",
    ),
    (
        "close waits no longer than it is told",
        "+0 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=1}, 8) = 0
        +0...1 close(4) = 0
        +0 > F. 1:1(0) ack 1
        +.3 > F. 1:1(0) ack 1",
    ),
    (
        "acknowledgments are asked for",
        "+0 setsockopt(4, SOL_TCP, TCP_QUICKACK, [0], 4) = 0
        +0 getsockopt(4, SOL_TCP, TCP_QUICKACK, [0], [4]) = 0
        +.1 < . 1:501(500) ack 1 win 257
        +0 read(4, ..., 1000) = 500
        +.01 setsockopt(4, SOL_TCP, TCP_QUICKACK, [1], 4) = 0
        +0 > . 1:1(0) ack 501",
    ),
    (
        "a low-water mark of what is not sent",
        "+0 setsockopt(4, SOL_TCP, TCP_NOTSENT_LOWAT, [4000], 4) = 0
        +0 write(4, ..., 10000) = 10000
        +0 > P. 1:10001(10000) ack 1
        +0 write(4, ..., 3000) = 3000
        +0 poll([{fd=4, events=POLLOUT, revents=0}], 1, 0) = 0
        +.1 < . 1:1(0) ack 10001 win 257
        +0 > P. 10001:13001(3000) ack 1
        +0 poll([{fd=4, events=POLLOUT, revents=POLLOUT}], 1, 0) = 1",
    ),
    (
        "vectors and messages",
        "+0 writev(4, [{..., 300}, {..., 200}], 2) = 500
        +0 > P. 1:501(500) ack 1
        +.01 sendmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 100}], msg_flags=0}, 0) = 100
        +.09 < P. 1:301(300) ack 501 win 257
        * > P. 501:601(100) ack 301
        +0 recvmsg(4, {msg_name(...)=..., msg_iov(2)=[{..., 100}, {..., 500}], msg_flags=0}, 0) = 300",
    ),
    (
        "data is looked at and thrown away",
        "+.1 < P. 1:301(300) ack 1 win 257
        +0 > . 1:1(0) ack 301
        +0 recv(4, ..., 100, MSG_PEEK) = 100
        +0 recv(4, ..., 200, MSG_TRUNC) = 200
        +0 ioctl(4, SIOCINQ, [100]) = 0
        +0 recvfrom(4, ..., 500, MSG_DONTWAIT, ..., ...) = 100
        +0 recv(4, ..., 500, 0) = -1 EAGAIN (Resource temporarily unavailable)",
    ),
    (
        "times of every form",
        "+0 write(4, ..., 100) = 100
        * > P. 1:101(100) ack 1
        +.29~+.32 > P. 1:101(100) ack 1
        0.5 < . 1:1(0) ack 101 win 257",
    ),
    (
        "types and states of a socket",
        "+0 getsockopt(4, SOL_SOCKET, SO_TYPE, [SOCK_STREAM], [4]) = 0
        +0 getsockopt(3, SOL_SOCKET, SO_ACCEPTCONN, [1], [4]) = 0
        +0 getsockopt(4, SOL_SOCKET, SO_ACCEPTCONN, [0], [4]) = 0
        +0 getsockopt(4, SOL_SOCKET, SO_ERROR, [0], [4]) = 0
        +0 setsockopt(4, SOL_TCP, TCP_RTO_MAX_MS, [500], 4) = -1 EINVAL
        +0 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = 0
        +0 close(4) = 0
        +0 > R. 1:1(0) ack 1",
    ),
    (
        "the least timeout of a socket",
        "+0 setsockopt(4, SOL_TCP, TCP_RTO_MIN_US, [50000], 4) = 0
        +0 write(4, ..., 1000) = 1000
        +0 > P. 1:1001(1000) ack 1
        +.09 < . 1:1(0) ack 1001 win 257",
    ),
    (
        "assertions",
        "+0 %{
            assert tcpi_state == TCP_ESTABLISHED
            assert 5 < tcpi_snd_cwnd <= 10 and not tcpi_lost, 'cwnd %d' % tcpi_snd_cwnd
            assert tcpi_snd_mss == 1000 or tcpi_snd_mss in (988, 1448)
            assert abs(tcpi_rtt - 100000) < max(10000, min(1, 2))
            print(tcpi_rtt)
        }%",
    ),
    (
        "commands",
        "+0 `sysctl -q -w net.ipv4.tcp_notsent_lowat=4294967295; ip tcp_metrics flush all > /dev/null 2>&1`
        +0 `cat /proc/net/snmp > /dev/null`
        +0 write(4, ..., 10) = 10
        +0 > P. 1:11(10) ack 1",
    ),
    (
        "marks of every kind",
        "+.1 < [ce] P. 1:101(100) ack 1 win 257
        * > [noecn] . 1:1(0) ack 101
        +0 < [tos 0x02] P. 101:201(100) ack 1 win 257
        * > . 1:1(0) ack 201",
    ),
];

#[test]
fn every_feature_of_the_notation_that_is_listed_works() {
    let mut wrong = String::new();
    for (name, piece) in PIECES {
        let report = run_file(&format!("{OPENED}{piece}\n"), name, &Options::default());
        if report.verdict != Verdict::Pass {
            wrong.push_str(&format!("{report}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_has_no_counterpart_is_said_to_be_unsupported() {
    for piece in [
        "+0 send(4, ..., 100, MSG_OOB) = 100",
        "+0 send(4, ..., 100, MSG_EOR) = 100",
        "+0 recvmsg(4, {msg_iov(1)=[{..., 10}], msg_control=[]}, MSG_ERRQUEUE) = 0",
        "+0 setsockopt(4, SOL_TCP, TCP_REPAIR, [1], 4) = 0",
        "+0 setsockopt(4, SOL_TCP, TCP_MD5SIG, {...}, 4) = 0",
        "+0 setsockopt(4, SOL_TCP, TCP_DEFER_ACCEPT, [3], 4) = 0",
        "+0 < SEWA 0:0(0) win 32792",
        "+0 < S 0:0(0) win 32792 <mss 1000,FO 1234567890abcdef>",
        "+0 < udp (10)",
        "+0 splice(4, NULL, 5, NULL, 100, 0) = 100",
        "+0 `tc qdisc replace dev tun0 root netem delay 10ms`",
        "+0 %{ assert tcpi_colour == 1 }%",
    ] {
        let report = run_file(&format!("{OPENED}{piece}\n"), piece, &Options::default());
        assert!(matches!(report.verdict, Verdict::Unsupported { .. }), "{piece}: {report}");
    }
}
