package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluicehq/sluice/internal/config"
	"github.com/sluicehq/sluice/internal/geo"
	"github.com/sluicehq/sluice/internal/journal"
)

func (d *doctor) at(parts ...string) string {
	return filepath.Join(append([]string{d.config.Data}, parts...)...)
}

// folder says whether there is a data folder to look into.
func (d *doctor) folder() bool {
	const check = "data folder"
	info, err := os.Stat(d.config.Data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.add(check, checkWarn, d.config.Data+" does not exist yet", "it is made by: sluice serve --data "+d.config.Data)
		return false
	case err != nil:
		d.add(check, checkFail, err.Error(), "make it readable for this user, or name another with --data")
		return false
	case !info.IsDir():
		d.add(check, checkFail, d.config.Data+" is not a folder", "name another with --data")
		return false
	}
	text, err := os.ReadFile(d.at("format"))
	var format struct{ Format int }
	if err == nil {
		err = json.Unmarshal(text, &format)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.add(check, checkWarn, d.config.Data+" was never used by Sluice", "is it the right one? Otherwise name another with --data")
		return false
	case err != nil:
		d.add(check, checkFail, "its format cannot be read: "+err.Error(), "restore the file format from a backup")
		return true
	}
	if err := writable(d.config.Data); err != nil {
		d.add(check, checkFail, err.Error(), "Sluice must be able to write there: mount it for writing, or give it to the user who runs Sluice")
		return true
	}
	d.add(check, checkOK, fmt.Sprintf("%s, format %d, writable", d.config.Data, format.Format), "")
	return true
}

func writable(dir string) error {
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return fmt.Errorf("%s cannot be written: %w", dir, err)
	}
	return nil
}

// lockHolder says which process holds the data folder.
func lockHolder(data string) (pid string, held bool) {
	f, err := os.Open(filepath.Join(data, "lock"))
	if err != nil {
		return "", false
	}
	defer func() { _ = f.Close() }() // gives back the lock, if we got it
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); err == nil {
		return "", false
	}
	text := make([]byte, 32)
	n, _ := f.Read(text)
	return strings.TrimSpace(string(text[:n])), true
}

// ports looks whether the server answers on its addresses, or could open them.
func (d *doctor) ports(ctx context.Context) {
	if !d.running {
		d.free("listen", d.config.Listen)
		d.free("admin", d.config.Admin)
		return
	}
	dialer := net.Dialer{Timeout: 2 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", dialable(d.config.Listen))
	if err == nil {
		err = conn.Close()
	}
	d.answers("listen", d.config.Listen, err)
	d.answers("admin", d.config.Admin, d.healthy(ctx))
}

func (d *doctor) answers(key, address string, err error) {
	if err != nil {
		d.add(key, checkWarn, fmt.Sprintf("nothing answers on %s: %s", address, err), "is this the configuration that the server was started with? Give the same --config, --listen and --admin")
		return
	}
	d.add(key, checkOK, address+" answers", "")
}

func (d *doctor) healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+dialable(d.config.Admin)+"/healthz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close() // only the status matters
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("/healthz says %s", response.Status)
	}
	return nil
}

func (d *doctor) free(key, address string) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		remedy := "choose another with --" + key
		if strings.Contains(key, ".") { // it has no flag
			remedy = "choose another for " + key
		}
		if errors.Is(err, syscall.EADDRINUSE) {
			remedy = "stop the program that has it, or " + remedy
		}
		if errors.Is(err, fs.ErrPermission) {
			remedy = "ports below 1024 need a privilege (CAP_NET_BIND_SERVICE): grant it, or " + remedy
		}
		d.add(key, checkFail, fmt.Sprintf("%s cannot be opened: %s", address, err), remedy)
		return
	}
	_ = l.Close() // it was only tried
	d.add(key, checkOK, address+" is free", "")
}

// The least free space, below which redirects stay but clicks are soon lost.
const (
	freeWarn = 2 << 30
	freeFail = 256 << 20
)

func (d *doctor) disk() {
	var s unix.Statfs_t
	if err := unix.Statfs(d.config.Data, &s); err != nil {
		d.add("disk", checkWarn, "its free space is not known: "+err.Error(), "")
		return
	}
	free, total := int64(s.Bavail)*int64(s.Bsize), int64(s.Blocks)*int64(s.Bsize)
	text := fmt.Sprintf("%s free of %s", sized(free), sized(total))
	switch {
	case free < freeFail:
		d.add("disk", checkFail, text, "make room now: on a full disk visitors are still redirected, but their clicks are lost")
	case free < freeWarn:
		d.add("disk", checkWarn, text, "make room, or move the data folder to a larger disk")
	default:
		d.add("disk", checkOK, text, "")
	}
}

// store has the database check itself, without becoming its user.
func (d *doctor) store(ctx context.Context) {
	if d.config.Store.Engine != config.SQLite || d.config.Role == config.Redirect || d.config.Role == config.Pipeline {
		return
	}
	path := d.at("store", "sluice.db")
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		d.add("store", checkWarn, "there is none yet", "it is made when the server starts")
		return
	}
	if err != nil {
		d.add("store", checkFail, err.Error(), "make it readable for this user")
		return
	}
	const restore = "stop Sluice and restore the store from a backup; visitors are served from the saved table meanwhile"
	faults, err := quickCheck(ctx, path)
	switch {
	case err != nil:
		d.add("store", checkFail, "it cannot be checked: "+err.Error(), restore)
	case len(faults) > 0:
		d.add("store", checkFail, "it is damaged: "+strings.Join(faults, "; "), restore)
	default:
		d.add("store", checkOK, fmt.Sprintf("whole, %s", sized(info.Size())), "")
	}
}

func quickCheck(ctx context.Context, path string) (faults []string, err error) {
	address := url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: "mode=ro&_busy_timeout=5000"}
	db, err := sql.Open("sqlite3", address.String())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.QueryContext(ctx, "PRAGMA quick_check(5)")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, err
		}
		if line != "ok" {
			faults = append(faults, line)
		}
	}
	return faults, rows.Err()
}

// table looks whether redirects could start without the store.
func (d *doctor) table() {
	entries, err := os.ReadDir(d.at("table"))
	var bytes int64
	newest := time.Time{}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
			if info.ModTime().After(newest) {
				newest = info.ModTime()
			}
		}
	}
	if err != nil || bytes == 0 {
		d.add("table", checkWarn, "no routing table is saved", "start the server once: it saves the table, and then starts even when the store is gone")
		return
	}
	text := fmt.Sprintf("saved, %s, last written %s", sized(bytes), newest.UTC().Format("2006-01-02 15:04 UTC"))
	if s := d.status; s != nil && s.TableSeq < s.CatalogSeq {
		d.add("table", checkWarn, fmt.Sprintf("%s; %s behind the catalog", text, plural(s.CatalogSeq-s.TableSeq, "change")), "run doctor again; if it stays so, look at the server's log")
		return
	}
	d.add("table", checkOK, text, "")
}

func (d *doctor) journal(ctx context.Context) {
	found, err := lanes(d.config.Data)
	if err != nil {
		d.add("journal", checkWarn, "there is none yet", "it is made when the server starts")
		return
	}
	for _, l := range found {
		d.lane(ctx, l)
	}
	if s := d.status; s != nil && s.Journal != nil && s.Journal.Dropped > 0 {
		d.add("journal", checkFail, plural(s.Journal.Dropped, "click")+" could not be recorded since the server started", "look at disk space and journal.max_bytes; the server's log has the reason")
	}
}

func (d *doctor) lane(ctx context.Context, l lane) {
	check := "journal " + l.name
	dir, err := journal.OpenDir(l.path)
	if err != nil {
		d.add(check, checkFail, err.Error(), "make it readable for this user")
		return
	}
	v, err := d.p.verifyLane(ctx, l, dir)
	switch {
	case err != nil:
		d.add(check, checkFail, "it cannot be read: "+err.Error(), "")
	case len(v.Damages) > 0 || v.Lost > 0:
		d.add(check, checkFail, fmt.Sprintf("damaged in %s, %s lost", plural(int64(len(v.Damages)), "place"), plural(int64(v.Lost), "record")),
			"see where with: sluice journal verify "+l.path)
	default:
		d.add(check, checkOK, fmt.Sprintf("%s in %s, no damage", plural(int64(v.Records), "record"), plural(int64(v.Segments), "segment")), "")
	}
}

// lagWarn is how far the reports may be behind before it is worth a word.
const lagWarn = 30 * time.Second

func (d *doctor) lag() {
	if d.status == nil || d.status.Pipeline == nil {
		return
	}
	lag := d.status.Pipeline
	text := fmt.Sprintf("%s waiting, the oldest for %.1f s", plural(lag.Records, "click"), lag.Seconds)
	if lag.Records == 0 {
		text = "up to date"
	}
	if time.Duration(lag.Seconds*float64(time.Second)) > lagWarn {
		d.add("reports", checkWarn, text, "the pipeline is behind or stopped; the server's log says why. No click is lost meanwhile")
		return
	}
	d.add("reports", checkOK, text, "")
}

func (d *doctor) geo() {
	db, err := geo.Open(geo.Options{CountryFile: d.config.Geo.CountryFile, ASNFile: d.config.Geo.ASNFile})
	if err != nil {
		d.add("geo data", checkFail, err.Error(), "correct geo.country_file and geo.asn_file, or leave them out for the built-in data")
		return
	}
	defer func() { _ = db.Close() }() // it was only read
	for _, s := range db.Sources() {
		switch {
		case s.Note != "":
			d.add("geo "+s.Kind, checkWarn, strings.TrimSpace(s.Name+" "+s.Note), "")
		case d.p.now().Sub(s.Built) > 2*365*24*time.Hour:
			d.add("geo "+s.Kind, checkWarn, fmt.Sprintf("%s is from %s", s.Name, s.Built.Format(time.DateOnly)), "addresses move: get a newer file")
		default:
			d.add("geo "+s.Kind, checkOK, fmt.Sprintf("%s of %s", s.Name, s.Built.Format(time.DateOnly)), "")
		}
	}
}

// keys looks whether others could sign visitors' cookies, or read the secrets of webhooks.
func (d *doctor) keys() {
	d.key("cookie", "it is made when the server starts")
	if d.config.Role == config.Redirect || d.config.Role == config.Pipeline {
		return
	}
	d.key("webhook", "it is made when the server starts; if the store comes from a backup, restore this file with it first, or deliveries wait")
}

func (d *doctor) key(name, ifNone string) {
	check, path := name+" key", d.at("keys", name)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.add(check, checkWarn, "there is none yet", ifNone)
	case err != nil:
		d.add(check, checkFail, err.Error(), "make it readable for the user who runs Sluice")
	case info.Mode().Perm()&0o077 != 0:
		d.add(check, checkFail, fmt.Sprintf("%s can be read by others (%s)", path, info.Mode().Perm()), "chmod 600 "+path)
	default:
		d.add(check, checkOK, "readable by its owner only", "")
	}
}

// clockSlack is how far a file's time may lie ahead before the clock is in doubt.
const clockSlack = 2 * time.Minute

// clock compares with what was written last: time must not have gone back.
func (d *doctor) clock() {
	now := d.p.now()
	newest := time.Time{}
	_ = filepath.WalkDir(d.config.Data, func(_ string, e fs.DirEntry, err error) error { // what cannot be read has no say
		if err != nil || e.IsDir() {
			return nil
		}
		if info, err := e.Info(); err == nil && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
		return nil
	})
	text := now.UTC().Format("2006-01-02 15:04:05 UTC")
	if newest.After(now.Add(clockSlack)) {
		d.add("clock", checkFail, fmt.Sprintf("it is %s, but the data folder was written at %s", text, newest.UTC().Format("2006-01-02 15:04:05 UTC")),
			"set the clock (timedatectl, NTP): click ids carry the time")
		return
	}
	d.add("clock", checkOK, text, "")
}

// setAside tells of what could not be read and was kept for a person to look at.
func (d *doctor) setAside() {
	if info, err := os.Stat(d.at("set-aside", "records.jsonl")); err == nil && info.Size() > 0 {
		d.add("set aside", checkWarn, fmt.Sprintf("records that could not be read lie in %s (%s)", d.at("set-aside"), sized(info.Size())), "look at their reasons; remove the file when it is settled")
	}
}
