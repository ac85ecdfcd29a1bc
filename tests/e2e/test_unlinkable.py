# SPDX-License-Identifier: MIT OR Apache-2.0
"""One person's enclaves have nothing in common but the address they come from: neither in what the
sentinel keeps nor in what passes over the network; and relay and tor mode go nowhere else."""
import contextlib
import itertools
import re
import shutil
import socket
import sqlite3
import subprocess

import capture
import lib
import proxies
from lib import UNREACHABLE, USAGE, expect

OURS = capture.own_network()
GAP = 5  # seconds at most between the first connections of two enclaves


def recorder():
    return capture.Lo() if OURS else capture.Tap()


def to_port(flows, port):
    return [f for f in flows if f.server[1] == port]


def sentinel_port(sentinel):
    return int(sentinel.listen.rsplit(":", 1)[1])


def at(sentinel, name="localhost"):
    """The sentinel by a name that somebody has to look up."""
    return f"{name}:{sentinel.address.rsplit(':', 1)[1]}"


# ---- what is in common ----


def room_rows(database):
    """Room number -> every blob and text of its rows; and the columns that hold numbers."""
    base = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    rooms, numbers = {}, set()
    with contextlib.closing(base):
        tables = [r[0] for r in base.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        for table in tables:
            cursor = base.execute(f"SELECT * FROM {table}")
            columns = [d[0] for d in cursor.description]
            for row in cursor:
                named = dict(zip(columns, row))
                # An entry's key begins with the room (ROOM_SQL_INDEX_BITS and two for the feed).
                room = (named["key"] >> 40 if table == "entry" else
                        named.get("room", named["no"] if table == "room" else None))
                for column, value in named.items():
                    if isinstance(value, int):
                        numbers.add(f"{table}.{column}")
                    elif value is not None and room is not None:
                        raw = value if isinstance(value, bytes) else value.encode()
                        rooms.setdefault(room, []).append((f"{table}.{column}", raw))
    return rooms, numbers


def common_rows(database, pin):
    """Windows of eight bytes that two rooms share, but for the sentinel's own key and small numbers."""
    rooms, numbers = room_rows(database)
    own = bytes.fromhex(pin)
    seen, total = {}, 0
    for room, values in rooms.items():
        for column, raw in values:
            total += len(raw)
            for w in set().union(*map(capture.windows, raw.split(own))):
                if w.count(0) < 5:
                    seen.setdefault(w, {}).setdefault(room, set()).add(column)
    return rooms, numbers, total, {w: where for w, where in seen.items() if len(where) > 1}


def sealed_windows(flow):
    return set().union(*map(capture.windows, capture.sealed(flow.up) + capture.sealed(flow.down)))


def common_flows(flows):
    """Windows that the sealed bytes of two connections share: how many pairs and bytes, what was found."""
    sets = [(f, sealed_windows(f)) for f in flows]
    pairs = list(itertools.combinations(sets, 2))
    found = [(a, b, w) for (a, one), (b, two) in pairs for w in one & two]
    return len(pairs), sum(len(f.up) + len(f.down) for f in flows), found


def hellos_differ(flows):
    """Each ClientHello: nothing of another one but what all programs of this kind say."""
    hellos = [capture.Hello(f.up) for f in flows]
    for h in hellos:
        expect(41 not in h.extensions and 35 not in h.extensions, "a ticket or a PSK is offered")
        expect(h.group == b"\x11\xec" and len(h.share) == 1216, f"group {h.group!r}")
    back = [capture.answers(f.down) for f in flows if f.down]
    expect(len({a[2] for a in back}) == 1, "the answers can be told from each other by their form")
    fresh = {what: [getattr(h, what) for h in hellos]
             for what in ("random", "share", "session")}  # session: random, for old middle boxes
    fresh["answered random"] = [a[0] for a in back]
    fresh["answered share"] = [a[1] for a in back]
    for what, values in fresh.items():
        expect(len(set(values)) == len(values), f"two connections have the same {what}")
        for one, two in itertools.combinations(values, 2):
            expect(not capture.windows(one) & capture.windows(two), f"{what} in part the same")
    names = [h.sni for h in hellos if h.sni]
    expect(len(set(names)) == len(names), "a name was sent twice")
    for one, two in itertools.combinations(names, 2):
        expect(not capture.windows(one) & capture.windows(two), "names in part the same")
    return hellos


# ---- the tests ----


def three_enclaves(w):
    """three enclaves of one person at one sentinel: nothing joins them, in its database or on the wire"""
    with recorder() as net:
        sentinel = w.sentinel()
        port = sentinel_port(sentinel)
        address = net.address(sentinel.address)
        ada, bob, eve = w.members("ada", "bob", "eve")
        by_enclave = {}
        circles = {"choir": [bob], "chess": [eve], "books": [bob, eve]}
        for name, others in circles.items():
            before = set(map(id, net.flows()))
            ada("create", name, "--as", "ada", "--sentinel", address)
            new = [f for f in to_port(net.flows(), port) if id(f) not in before]
            expect(len(new) == 1, f"creating made {len(new)} connections")
            by_enclave[name] = new
            inside = [ada.of(name)]
            for other in others:
                joiner = other.of(name)
                lib.admit(inside, joiner)
                inside.append(joiner)
            for m in inside:
                m("send", f"{m.nick} is in {name}")
            for m in inside:
                m.until("all talk", lambda m=m, n=len(inside): len(m.messages()) == n)
        for name in ("choir", "chess"):
            source = lib.random_file(w.path / f"film-{name}", 300000)
            ada("put", source, "-e", name, "--wait", code=(lib.OK, lib.PARTIAL))
        # And once more from the beginning, one after the other.
        ada.stop()
        before = set(map(id, net.flows()))
        ada.settings["START_GAP"] = str(GAP)
        ada.start()
        online = lambda: all(e["online"] for e in ada("status")["enclaves"])
        ada.until("all are back", online, 2 * GAP + 30)
        again = [f for f in to_port(net.flows(), port) if id(f) not in before
                 and capture.Hello(f.up).sni is None]
        gaps = [b.began - a.began for a, b in itertools.pairwise(sorted(again, key=lambda f: f.began))]
        expect(len(again) == 3 and all(g > 1.9 for g in gaps), f"a burst at the start: {gaps}")
        flows = net.flows()
        ports = sorted(capture.listening() - {port}) if OURS else []
        for m in (ada, bob, eve):
            m.stop()
        sentinel.stop()
    mine = sum(by_enclave.values(), []) + again
    hellos = hellos_differ(to_port(flows, port))
    expect(all(h.sni is None for h in hellos), "a name is told at the sentinel")
    expect(len({h.skeleton for h in hellos}) == 1, "one can be told from another by its form")
    expect(len({f.client for f in mine}) == len(mine), "two connections from one port")
    pairs, total, found = common_flows(to_port(flows, port))
    expect(not found, f"two connections share {len(found)} windows: {found[:3]}")
    twin = capture.Flow(("", 0), ("", 0), 0)
    twin.down = bytearray(b"\x17\3\3\0\x09!" + capture.sealed(mine[0].down)[1][:8])
    expect(common_flows([mine[0], twin])[2], "what is in common would not be seen")
    print(f"     wire: {len(flows)} connections, {len(mine)} of one person to the sentinel; {pairs} pairs, "
          f"{total} bytes: 0 windows of 8 bytes in common; gaps {', '.join(f'{g:.1f}' for g in gaps)} s")
    if OURS:
        direct = [f for f in flows if f.server[1] != port]
        names = [h for h in hellos_differ(direct) if h.sni]
        expect(len(names) == len(direct) and len({h.skeleton for h in names}) <= 1,
               "a direct connection without its name, or of another form")
        mark = len({f.server for f in direct})
        print(f"     wire: {len(direct)} direct connections to {mark} ports; listening: {len(ports)} ports "
              f"for 7 memberships; no address of the machine but one")
        expect(len(ports) == 7, f"not a port for each enclave of each person: {ports}")
        expect(not net.udp, f"datagrams: {net.udp[:3]}")
    rooms, numbers, size, shared = common_rows(sentinel.data / database(sentinel), pin_of(sentinel))
    expect(len(rooms) == 3, f"{len(rooms)} rooms")
    expect(not shared, f"rooms share {len(shared)} windows: {list(shared.items())[:3]}")
    known = {"room.no", "room.version", "room.day", "room.knocks", "entry.key", "entry.time"}
    print(f"     database: 3 rooms, {size} bytes in {sum(map(len, rooms.values()))} values: 0 windows of 8 "
          f"bytes in common; numbers: {len(numbers - known)} other columns of counts and times")
    ends = re.compile(r"\b127\.0\.0\.1:(\d+)")
    callers = {str(f.client[1]) for f in mine}
    expect(not callers & set(ends.findall(sentinel.log())), "the sentinel's log keeps who called")


def database(sentinel):
    return next(p.name for p in sentinel.files() if p.read_bytes()[:15] == b"SQLite format 3")


def pin_of(sentinel):
    return sentinel.address.split("#")[1]


def only_ports(net, ports, what):
    wrong = [f for f in net.flows() if f.server[1] not in ports]
    expect(not wrong, f"{what}: connections to other places: {wrong[:5]}")
    expect(not net.udp, f"{what}: datagrams: {net.udp[:3]}")


def nobody_listens(ports, what):
    if OURS:
        extra = capture.listening() - ports
        expect(not extra, f"{what}: somebody listens at {extra}")
        expect(not capture.sockets("udp") and not capture.sockets("udp6"), f"{what}: a UDP socket")


def relay_goes_to_the_sentinel_only(w):
    """relay mode: words and a file pass, and no packet goes to a member"""
    if not OURS:
        print("     skipped in part: what goes elsewhere is not seen without a network of our own")
    with recorder() as net:
        sentinel = w.sentinel()
        ada, bob = w.members("ada", "bob")
        ada("create", "choir", "--as", "ada", "--mode", "relay", "--sentinel",
            net.address(sentinel.address))
        lib.admit([ada], bob)
        nobody_listens({sentinel_port(sentinel)}, "relay")
        source = lib.random_file(w.path / "film", 300000)
        ada("put", source, "--wait")
        bob.until("it is listed", lambda: "film" in bob.files())
        bob("get", "film", w.path / "out")
        expect(lib.sha256(source) == lib.sha256(w.path / "out"), "other bytes")
        paths = {m["path"] for m in ada("members")["members"] if not m["self"]}
        expect(paths == {"circuit"}, f"the way is {paths}")
        only_ports(net, {sentinel_port(sentinel)}, "relay")
        print(f"     relay: {len(net.flows())} connections, each to the sentinel")


def tor_goes_through_the_proxy_only(w):
    """tor mode: own credentials an enclave, names to the proxy, no datagram, nothing around it"""
    with recorder() as net:
        sentinel = w.sentinel()
        port = sentinel_port(sentinel)
        socks = proxies.Socks()
        ada, bob, eve = (w.member(n, init=False) for n in ("ada", "bob", "eve"))
        for m in (ada, bob, eve):
            m.settings["SOCKS"] = socks.address
            m.init()
        for name in ("choir", "chess"):
            ada("create", name, "--as", "ada", "--mode", "tor", "--sentinel", at(sentinel))
        admit_by_tor(ada.of("choir"), bob)
        source = lib.random_file(w.path / "film", 300000)
        ada.of("choir")("put", source, "--wait")
        bob.until("it is listed", lambda: "film" in bob.files())
        bob("get", "film", w.path / "out")
        expect(lib.sha256(source) == lib.sha256(w.path / "out"), "other bytes")
        users = [a[0] for a in socks.asked]
        expect(len(users) == 3 == len(set(users)), f"users: {users}")
        expect(all(re.fullmatch("[0-9a-f]{32}", u) for u in users), f"users: {users}")
        expect({a[2:4] for a in socks.asked} == {(3, "localhost")}, f"asked: {socks.asked}")
        nobody_listens({port, socks.port}, "tor")
        straight(net, port, 0)
        dead_proxy(net, socks, ada, port)
        # Who comes without the proxy is told so before a knock, and has shown no more than a look.
        code = ada.of("choir")("invite")["code"]
        a = eve.run("join", code, "--as", "eve")
        expect(a.code == USAGE and "tor only" in a.text and "--mode tor" in a.text, f"{a}")
        expect(not eve("status")["enclaves"], "an enclave is left behind")
        expect(not lib.proposal_of(ada.of("choir"), "eve"), "it knocked")
        if OURS:
            only_ports(net, {port, socks.port}, "tor")
        seen = ("straight to the sentinel: only the refused joiner's look" if OURS else
                "skipped in part: what goes around it is not seen without a network of our own")
        print(f"     tor: {len(socks.asked)} connections by {len(set(a[0] for a in socks.asked))} users, "
              f"all to the name localhost; {seen}")
        socks.stop()


def straight(net, port, allowed):
    """Connections to the sentinel that do not come from the proxy."""
    if OURS:
        flows = [f for f in to_port(net.flows(), port) if f.client[0] != proxies.OWN_ADDRESS]
        expect(len(flows) == allowed, f"around the proxy: {flows}")


def admit_by_tor(ada, bob):
    code = ada("invite")["code"]
    bob("join", code, "--as", "bob", "--mode", "tor", code=lib.PENDING)
    ada.until("a knock", lambda: lib.proposal_of(ada, "bob"))
    ada("vote", "yes", "bob")
    bob("join", code, "--as", "bob", "--mode", "tor", "--wait")


def dead_proxy(net, socks, ada, port):
    """Nothing goes around it; the words say what to do; it comes back by itself."""
    socks.stop()
    ada.stop()
    ada.start()
    trouble = ada.until("it says so", lambda: ada.enclave("choir")["trouble"], 45)
    expect(socks.address in trouble and "nothing goes around it" in trouble, f"said: {trouble}")
    straight(net, port, 0)
    del ada.settings["SOCKS"]
    ada.stop()
    ada.start()
    trouble = ada.until("it says so", lambda: ada.enclave("choir")["trouble"], 45)
    expect("socks: 127.0.0.1:9050" in trouble, f"said: {trouble}")
    a = ada.run("create", "third", "--as", "ada", "--mode", "tor", "--sentinel", "localhost:1#" + "0" * 64)
    expect(a.code == USAGE and "socks" in a.text, f"{a}")
    straight(net, port, 0)
    ada.settings["SOCKS"] = socks.address
    ada.stop()
    ada.start()
    socks.start()
    ada.until("it is back", lambda: ada.enclave("choir")["online"], 60)
    straight(net, port, 0)


def all_by_proxy(w):
    """socks_all: a direct enclave of mine goes through the proxy, too, and I do not listen"""
    sentinel = w.sentinel()
    socks = proxies.Socks()
    ada = w.member("ada", init=False)
    ada.settings.update(SOCKS=socks.address, SOCKS_ALL="true")
    ada.init()
    with recorder() as net:
        ada("create", "choir", "--as", "ada", "--sentinel", at(sentinel))
        bob = w.member("bob")
        lib.admit([ada], bob)
        runs = 1
        for turn in range(8):  # bob's address may be heard a moment after the circuit is taken
            ada("put", lib.random_file(w.path / f"film-{turn}", 100000), "--wait")
            paths = {m["path"] for m in ada("members")["members"] if not m["self"]}
            if paths == {"direct"}:
                break
            ada.stop()
            ada.start()
            runs += 1
        expect(paths == {"direct"}, f"bob listens and is called through the proxy: {paths}")
        kinds = {a[2:4] for a in socks.asked}
        expect(kinds == {(3, "localhost"), (1, "127.0.0.1")}, f"asked: {kinds}")
        expect(len({a[0] for a in socks.asked}) == runs, "not a user for each run")
        expect("members may connect" not in ada.log(), "ada listens")
        straight(net, sentinel_port(sentinel), 1)  # bob's own
    socks.stop()


def microsocks_serves(w):
    """a foreign SOCKS5 server, without user names: works, and is warned about"""
    if not shutil.which("microsocks"):
        print("     skipped: microsocks is not installed")
        return
    sentinel = w.sentinel()
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    child = w.spawn(["microsocks", "-i", "127.0.0.1", "-p", str(port)], stderr=subprocess.DEVNULL)
    watch = lib.Process(child.pid)
    while not watch.gone(0.05):
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5).close()
            break
    watch.close()
    ada = w.member("ada", init=False)
    ada.settings["SOCKS"] = f"127.0.0.1:{port}"
    ada.init()
    ada("create", "choir", "--as", "ada", "--mode", "tor", "--sentinel", at(sentinel))
    expect(ada.enclave()["online"] and ada.enclave()["mode"] == "tor", f"{ada.enclave()}")
    expect("does not keep enclaves apart" in ada.log(), "no warning that it takes no user names")


def tor_refuses_in_words(w):
    """a real tor, kept off every network: takes our sign-in; its refusal is told in plain words"""
    tor = shutil.which("tor") or shutil.which("tor", path="/usr/sbin:/usr/local/sbin")
    if not tor:
        print("     skipped: tor is not installed")
        return
    (w.path / "torrc").write_text("")
    # With DisableNetwork it would not open its SOCKS port; so its only way out is a bridge that is none.
    line = [tor, "--SocksPort", "127.0.0.1:auto", "--DataDirectory", w.path / "tor", "--ClientOnly", "1",
            "--UseBridges", "1", "--Bridge", "127.0.0.1:1", "--SocksTimeout", "3", "--Log",
            "notice stdout", "--defaults-torrc", w.path / "torrc", "-f", w.path / "torrc"]
    child = w.spawn(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    port = None
    for said in child.stdout:
        found = re.search(rb"Opened Socks listener.*:(\d+)", said)
        if found:
            port = int(found.group(1))
            break
    if port is None:
        print("     skipped: this tor does not start")
        return
    ada = w.member("ada", init=False)
    ada.settings["SOCKS"] = f"127.0.0.1:{port}"
    ada.init()
    pin = "#" + "0" * 64
    a = ada.run("create", "choir", "--as", "ada", "--mode", "tor", "--sentinel", "localhost:1" + pin)
    expect(a.code == UNREACHABLE and "through the proxy" in a.text, f"{a}")
    a = ada.run("create", "chess", "--as", "ada", "--mode", "tor", "--sentinel", "example.org:1" + pin)
    expect(a.code == UNREACHABLE and "no answer in time" in a.text, f"{a}")
    for words in ("general failure", "no answer in time"):
        expect(f"the proxy says: {words}" in ada.log(), f"the log does not say: {words}")
    expect("does not keep enclaves apart" not in ada.log(), "tor takes user names")


lib.main(three_enclaves, relay_goes_to_the_sentinel_only, tor_goes_through_the_proxy_only, all_by_proxy,
         microsocks_serves, tor_refuses_in_words)
