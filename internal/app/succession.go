package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A process can be succeeded by a newer one on the same data folder without a
// visitor noticing. Over the socket in the folder
//
//	successor:    POST /succession
//	predecessor:  101, then an offer with copies of the folder's lock and of the
//	              listening sockets
//	successor:    answers visitors, from the saved table and with lanes of its own:
//	              "serving"
//	predecessor:  stops accepting, lets its connections end, stores its clicks, ends
//	successor:    sees the end of the connection, owns the folder, opens the rest
//
// Until "serving" the predecessor goes on as if nobody had asked.
const (
	successionPath     = "/succession"
	successionProtocol = "sluice-succession"
	servingWord        = "serving\n"
)

// offerTimeout bounds how long either side waits for the other to say its next word
// of the conversation; a successor's start takes as long as it takes.
const offerTimeout = 10 * time.Second

// offer says what comes along with it: the lock first, then each door's sockets.
type offer struct {
	Process int         `json:"process"`
	Doors   []doorOffer `json:"doors"`
}

type doorOffer struct {
	Name    string `json:"name"`
	Address string `json:"address"` // as it was configured
	Sockets int    `json:"sockets"`
}

// succession is the predecessor's part.
type succession struct {
	mu    sync.Mutex
	asked bool          // somebody is about to succeed
	conn  net.Conn      // whose end tells the successor that we have gone
	begun chan struct{} // closed when it serves
}

// answerSuccession hands the doors to another process. Only the socket in the data
// folder leads here.
func (a *App) answerSuccession(l *listeners) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := &a.succession
		s.mu.Lock()
		taken := s.asked
		s.asked = true
		s.mu.Unlock()
		if taken {
			http.Error(w, "another process is about to take over", http.StatusConflict)
			return
		}
		conn, err := a.offerDoors(w, l)
		if err == nil {
			err = awaitServing(conn)
		}
		if err != nil {
			a.options.Logger.Warn("another process did not take over; this one goes on", "reason", err)
			if conn != nil {
				_ = conn.Close()
			}
			s.mu.Lock()
			s.asked = false
			s.mu.Unlock()
			return
		}
		s.conn = conn
		close(s.begun)
	}
}

// offerDoors takes the connection over and sends the offer.
func (a *App) offerDoors(w http.ResponseWriter, l *listeners) (net.Conn, error) {
	o := offer{Process: os.Getpid()}
	files, err := a.doorFiles(l, &o)
	defer closeFiles(files)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return nil, err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return conn, errors.New("sockets can be handed over through a socket only")
	}
	if err := socket.SetDeadline(time.Now().Add(offerTimeout)); err != nil {
		return conn, err
	}
	if _, err := fmt.Fprintf(socket, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", successionProtocol); err != nil {
		return conn, err
	}
	fds := []int{int(a.folder.lock.Fd())}
	for _, f := range files {
		fds = append(fds, int(f.Fd()))
	}
	_, _, err = socket.WriteMsgUnix(append(text, '\n'), unix.UnixRights(fds...), nil)
	return conn, err
}

// doorFiles collects the sockets of all doors that a successor may have.
func (a *App) doorFiles(l *listeners, o *offer) (files []*os.File, err error) {
	for _, d := range l.list() {
		if d.sockets == nil {
			continue
		}
		more, err := d.sockets()
		files = append(files, more...)
		if err != nil {
			return files, fmt.Errorf("%s: %w", d.name, err)
		}
		o.Doors = append(o.Doors, doorOffer{d.name, d.configured, len(more)})
	}
	return files, nil
}

func awaitServing(conn net.Conn) error {
	if err := conn.SetDeadline(time.Time{}); err != nil { // its start takes as long as it takes
		return err
	}
	word := make([]byte, len(servingWord))
	if _, err := io.ReadFull(conn, word); err != nil || string(word) != servingWord {
		return fmt.Errorf("it ended before it served visitors: %w", err)
	}
	return nil
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// predecessor is the process that this one succeeds.
type predecessor struct {
	conn    *net.UnixConn
	offer   offer
	lock    *os.File
	sockets map[string][]*os.File // by door
}

// askToSucceed asks the process that has the data folder for its doors. It returns
// nil when there is none.
func askToSucceed(path string) (_ *predecessor, err error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, nil // the folder is still to be made
	}
	defer func() { _ = dir.Close() }()
	at := filepath.Join("/proc/self/fd", strconv.Itoa(int(dir.Fd())), socketName)
	conn, err := net.Dial("unix", at)
	if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the process that has %s cannot be asked: %w", path, err)
	}
	p := &predecessor{conn: conn.(*net.UnixConn), sockets: map[string][]*os.File{}}
	if err := p.receive(); err != nil {
		return nil, errors.Join(fmt.Errorf("the process that has %s does not hand over: %w", path, err), p.close())
	}
	return p, nil
}

// receive gets the offer.
func (p *predecessor) receive() error {
	if err := p.conn.SetDeadline(time.Now().Add(offerTimeout)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(p.conn, "POST %s HTTP/1.1\r\nHost: sluice\r\nContent-Length: 0\r\n\r\n", successionPath); err != nil {
		return err
	}
	text, files, err := p.receiveFiles()
	if err != nil {
		closeFiles(files)
		return err
	}
	if err := json.Unmarshal(text, &p.offer); err != nil || len(files) == 0 {
		closeFiles(files)
		return errors.New("its offer cannot be understood")
	}
	p.lock, files = files[0], files[1:]
	for _, d := range p.offer.Doors {
		if d.Sockets > len(files) {
			closeFiles(files)
			return errors.New("its offer lacks sockets")
		}
		p.sockets[d.Name], files = files[:d.Sockets], files[d.Sockets:]
	}
	closeFiles(files)
	return p.conn.SetDeadline(time.Time{})
}

// receiveFiles reads the answer: a head that ends in an empty line, then a line with
// the offer, with which the descriptors come.
func (p *predecessor) receiveFiles() (text []byte, files []*os.File, err error) {
	const filesMax, answerMax = 253, 64 << 10 // the kernel passes no more at once
	var answer []byte
	b, control := make([]byte, 4096), make([]byte, unix.CmsgSpace(4*filesMax))
	for {
		head, rest, whole := strings.Cut(string(answer), "\r\n\r\n")
		if whole && !strings.HasPrefix(head, "HTTP/1.1 101 ") {
			status, _, _ := strings.Cut(head, "\r\n")
			return nil, files, fmt.Errorf("%s: %s", strings.TrimPrefix(status, "HTTP/1.1 "), strings.TrimSpace(rest))
		}
		if whole && strings.HasSuffix(rest, "\n") {
			return []byte(rest), files, nil
		}
		n, controlBytes, _, _, err := p.conn.ReadMsgUnix(b, control)
		if err != nil || n == 0 || len(answer)+n > answerMax {
			return nil, files, fmt.Errorf("its answer ends early: %w", err)
		}
		answer = append(answer, b[:n]...)
		more, err := filesIn(control[:controlBytes])
		files = append(files, more...)
		if err != nil {
			return nil, files, err
		}
	}
}

// filesIn are the descriptors that came with a message.
func filesIn(control []byte) (files []*os.File, err error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, err
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return files, err
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "inherited"))
		}
	}
	return files, nil
}

// take returns the sockets of a door, if it is to listen where the predecessor's
// does. A nil predecessor has none.
func (p *predecessor) take(name, configured string) []*os.File {
	if p == nil {
		return nil
	}
	for _, d := range p.offer.Doors {
		if d.Name == name && d.Address == configured {
			files := p.sockets[name]
			delete(p.sockets, name)
			return files
		}
	}
	return nil
}

// succeed says that visitors are served, and returns when the predecessor has gone.
func (p *predecessor) succeed(ctx context.Context) error {
	if _, err := io.WriteString(p.conn, servingWord); err != nil {
		return fmt.Errorf("the process %d that was to be replaced has gone: %w", p.offer.Process, err)
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = bufio.NewReader(p.conn).ReadByte() // it says nothing more
	}()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		_ = p.conn.Close()
		<-gone
		return ctx.Err()
	}
}

// close lets go of what was not taken. The predecessor goes on if it was not told
// that it need not.
func (p *predecessor) close() error {
	if p == nil {
		return nil
	}
	for _, files := range p.sockets {
		closeFiles(files)
	}
	p.sockets = nil
	return p.conn.Close()
}
