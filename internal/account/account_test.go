package account_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/account"
	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/sqlite"
)

const password = "a gate that lets the flood through"

// house is a register of users over a real store and a clock that tests move.
type house struct {
	*account.Accounts
	store store.Store
	mu    sync.Mutex
	time  time.Time
}

func (h *house) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.time
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.time = h.time.Add(d)
}

func open(t *testing.T) *house {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "store.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	h := &house{store: s, time: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	h.Accounts = account.Open(account.Options{Store: s, Now: h.now, PasswordMemoryKiB: 64})
	return h
}

func (h *house) user(t *testing.T, name string, operator bool) {
	t.Helper()
	if _, err := h.CreateUser(t.Context(), name, password, operator); err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, code affiliate.Code) {
	t.Helper()
	if affiliate.CodeOf(err) != code || err == nil {
		t.Fatalf("got the error %v, want one of code %q", err, code)
	}
}

func TestPasswordLogin(t *testing.T) {
	h, ctx := open(t), t.Context()
	h.user(t, "ada", true)
	s, err := h.LoginWithPassword(ctx, "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	who, err := h.Session(ctx, s.Secret)
	if err != nil || who.User.Name != "ada" || !who.User.Operator || !who.May(account.Write) || !who.May(account.Read) {
		t.Fatalf("got %+v, %v", who, err)
	}
	for name, try := range map[string][2]string{
		"wrong password":    {"ada", password + "!"},
		"no password":       {"ada", ""},
		"unknown user":      {"eve", password},
		"monstrous":         {"ada", strings.Repeat("x", 1<<20)},
		"case matters":      {"ada", strings.ToUpper(password)},
		"no user at all":    {"", ""},
		"start of password": {"ada", password[:20]},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.LoginWithPassword(ctx, try[0], try[1])
			wantCode(t, err, affiliate.Unsigned)
		})
	}
}

func TestUserWithoutPasswordNeedsCode(t *testing.T) {
	h, ctx := open(t), t.Context()
	if _, err := h.CreateUser(ctx, "ada", "", true); err != nil {
		t.Fatal(err)
	}
	_, err := h.LoginWithPassword(ctx, "ada", "")
	wantCode(t, err, affiliate.Unsigned)

	code, err := h.IssueCode(ctx, "ada")
	if err != nil {
		t.Fatal(err)
	}
	s, err := h.LoginWithCode(ctx, "  "+strings.ToUpper(code)+"\n")
	if err != nil || s.User.Name != "ada" {
		t.Fatalf("got %+v, %v", s, err)
	}
	_, err = h.LoginWithCode(ctx, code)
	wantCode(t, err, affiliate.Unsigned) // used up
}

func TestCodeEnds(t *testing.T) {
	h, ctx := open(t), t.Context()
	h.user(t, "ada", true)
	first, err := h.IssueCode(ctx, "ada")
	if err != nil {
		t.Fatal(err)
	}
	second, err := h.IssueCode(ctx, "ada")
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.LoginWithCode(ctx, first)
	wantCode(t, err, affiliate.Unsigned)
	h.pass(account.CodeLifetime)
	_, err = h.LoginWithCode(ctx, second)
	wantCode(t, err, affiliate.Unsigned)
	_, err = h.IssueCode(ctx, "nobody")
	wantCode(t, err, affiliate.NotFound)
}

func TestCodeLetsOneIn(t *testing.T) {
	h, ctx := open(t), t.Context()
	h.user(t, "ada", true)
	code, err := h.IssueCode(ctx, "ada")
	if err != nil {
		t.Fatal(err)
	}
	var in sync.Map
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if _, err := h.LoginWithCode(ctx, code); err == nil {
				in.Store(i, true)
			}
		})
	}
	wg.Wait()
	n := 0
	in.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Fatalf("one code let %d in", n)
	}
}

func TestSessionSlides(t *testing.T) {
	h, ctx := open(t), t.Context()
	h.user(t, "ada", true)
	s, err := h.LoginWithPassword(ctx, "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	for range 4 { // 80 days, never 30 without use
		h.pass(20 * 24 * time.Hour)
		if _, err := h.Session(ctx, s.Secret); err != nil {
			t.Fatal(err)
		}
	}
	h.pass(account.SessionLifetime)
	_, err = h.Session(ctx, s.Secret)
	wantCode(t, err, affiliate.Unsigned)
}

func TestSessionEnds(t *testing.T) {
	for name, end := range map[string]func(h *house, ctx context.Context, secret string) error{
		"logout":       func(h *house, ctx context.Context, secret string) error { return h.Logout(ctx, secret) },
		"new password": func(h *house, ctx context.Context, _ string) error { return h.SetPassword(ctx, "ada", password+"2") },
		"user deleted": func(h *house, ctx context.Context, _ string) error { return h.DeleteUser(ctx, "ada") },
	} {
		t.Run(name, func(t *testing.T) {
			h, ctx := open(t), t.Context()
			h.user(t, "root", true)
			h.user(t, "ada", false)
			s, err := h.LoginWithPassword(ctx, "ada", password)
			if err != nil {
				t.Fatal(err)
			}
			if err := end(h, ctx, s.Secret); err != nil {
				t.Fatal(err)
			}
			_, err = h.Session(ctx, s.Secret)
			wantCode(t, err, affiliate.Unsigned)
		})
	}
}

func TestTokens(t *testing.T) {
	h, ctx := open(t), t.Context()
	h.user(t, "ada", true)
	soon := h.now().Add(time.Hour)
	secret, token, err := h.CreateToken(ctx, "ada", "deploy", []account.Scope{account.Read}, &soon)
	if err != nil || !strings.HasPrefix(secret, token.Prefix) || len(token.Prefix) >= len(secret)/2 {
		t.Fatalf("got %q, %+v, %v", secret, token, err)
	}
	who, err := h.Authenticate(ctx, secret)
	if err != nil || who.Token != token.ID || !who.May(account.Read) || who.May(account.Write) {
		t.Fatalf("got %+v, %v", who, err)
	}
	list, err := h.Tokens(ctx, "ada")
	if err != nil || len(list) != 1 || list[0].UsedAt == nil || !list[0].UsedAt.Equal(h.now()) {
		t.Fatalf("got %+v, %v", list, err)
	}
	h.pass(time.Hour)
	_, err = h.Authenticate(ctx, secret)
	wantCode(t, err, affiliate.Unsigned)

	forever, token, err := h.CreateToken(ctx, "ada", "forever", []account.Scope{account.Write}, nil)
	if err != nil {
		t.Fatal(err)
	}
	h.pass(10 * 365 * 24 * time.Hour)
	if who, err := h.Authenticate(ctx, forever); err != nil || !who.May(account.Read) {
		t.Fatalf("got %+v, %v", who, err)
	}
	_, err = h.Session(ctx, forever) // a token is no session
	wantCode(t, err, affiliate.Unsigned)
	if err := h.DeleteToken(ctx, token.ID); err != nil {
		t.Fatal(err)
	}
	_, err = h.Authenticate(ctx, forever)
	wantCode(t, err, affiliate.Unsigned)
	wantCode(t, h.DeleteToken(ctx, token.ID), affiliate.NotFound)
}

func TestAuthenticateWhileTheStoreIsBusy(t *testing.T) {
	h, ctx := open(t), t.Context()
	h.user(t, "ada", true)
	secret, _, err := h.CreateToken(ctx, "ada", "deploy", []account.Scope{account.Read}, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = h.store.Update(ctx, func(store.Writer) error { // an import, say
		_, err := h.Authenticate(ctx, secret)
		return err
	})
	if err != nil {
		t.Fatalf("a reader was kept out by a writer: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	h, ctx := open(t), t.Context()
	h.user(t, "ada", true)
	past := h.now()
	for _, c := range []struct {
		name string
		try  func() error
		code affiliate.Code
	}{
		{"name taken", func() error { _, err := h.CreateUser(ctx, "ada", password, false); return err }, affiliate.Conflict},
		{"name empty", func() error { _, err := h.CreateUser(ctx, "", password, false); return err }, affiliate.Invalid},
		{"name with a slash", func() error { _, err := h.CreateUser(ctx, "a/b", password, false); return err }, affiliate.Invalid},
		{"short password", func() error { _, err := h.CreateUser(ctx, "bob", "123456789", false); return err }, affiliate.Invalid},
		{"empty new password", func() error { return h.SetPassword(ctx, "ada", "") }, affiliate.Invalid},
		{"unknown user", func() error { return h.SetPassword(ctx, "bob", password) }, affiliate.NotFound},
		{"last operator leaves", func() error { return h.DeleteUser(ctx, "ada") }, affiliate.Conflict},
		{"last operator steps down", func() error { _, err := h.SetOperator(ctx, "ada", false); return err }, affiliate.Conflict},
		{"no scopes", func() error { _, _, err := h.CreateToken(ctx, "ada", "x", nil, nil); return err }, affiliate.Invalid},
		{"odd scope", func() error {
			_, _, err := h.CreateToken(ctx, "ada", "x", []account.Scope{"all"}, nil)
			return err
		}, affiliate.Invalid},
		{"dead on arrival", func() error {
			_, _, err := h.CreateToken(ctx, "ada", "x", []account.Scope{account.Read}, &past)
			return err
		}, affiliate.Invalid},
		{"token of nobody", func() error {
			_, _, err := h.CreateToken(ctx, "bob", "x", []account.Scope{account.Read}, nil)
			return err
		}, affiliate.NotFound},
	} {
		t.Run(c.name, func(t *testing.T) { wantCode(t, c.try(), c.code) })
	}
	users, err := h.Users(ctx)
	if err != nil || len(users) != 1 {
		t.Fatalf("after refusals only, there are %v, %v", users, err)
	}
}

func TestNoSecretIsStored(t *testing.T) {
	h, ctx := open(t), t.Context()
	h.user(t, "ada", true)
	session, err := h.LoginWithPassword(ctx, "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	code, err := h.IssueCode(ctx, "ada")
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := h.CreateToken(ctx, "ada", "x", []account.Scope{account.Read}, nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	err = h.store.View(ctx, func(r store.Reader) error {
		for _, kind := range []store.Kind{store.User, store.Session, store.Code, store.Token} {
			docs, err := r.Documents().List(kind, "")
			if err != nil {
				return err
			}
			seen += len(docs)
			all, err := json.Marshal(docs)
			if err != nil {
				return err
			}
			for _, secret := range []string{password, session.Secret, code, token} {
				if strings.Contains(string(all), secret) {
					t.Errorf("a %s is stored with its secret", kind)
				}
			}
		}
		return nil
	})
	if err != nil || seen != 4 {
		t.Fatalf("saw %d documents, %v", seen, err)
	}
}

func TestPasswordsKeepTheirCost(t *testing.T) {
	h, ctx := open(t), t.Context()
	h.user(t, "ada", true)
	dearer := account.Open(account.Options{Store: h.store, Now: h.now}) // the default
	if _, err := dearer.LoginWithPassword(ctx, "ada", password); err != nil {
		t.Fatal(err)
	}
	if err := dearer.SetPassword(ctx, "ada", password+"2"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.LoginWithPassword(ctx, "ada", password+"2"); err != nil {
		t.Fatal(err)
	}
	var doc store.Document
	err := h.store.View(ctx, func(r store.Reader) (err error) {
		doc, err = r.Documents().Get(store.User, "ada")
		return err
	})
	if err != nil || !strings.Contains(string(doc.Body), "$argon2id$v=19$m=65536,t=3,p=4$") {
		t.Errorf("the default cost is not what RFC 9106 recommends: %s, %v", doc.Body, err)
	}
}
