package api

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/account"
)

// reach is a harmless request of the route: names that do not exist, bodies that
// are not accepted. It is only to be seen whether it comes through.
func (r *route) reach() (path, body string) {
	path = strings.NewReplacer("{id}", "999999", "{site}", "nowhere", "{program}", "none", "{code}", "nobody", "{partner}", "nobody", "{name}", "nobody", "{number}", "1").Replace(r.path)
	if r.ID == "getLinkBySlug" {
		path += "?slug=nothing"
	}
	if r.RequestBody != nil {
		body = "{"
	}
	return path, body
}

// Who may call what, for every operation that the document knows.
func TestAccessOfEveryOperation(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name   string
		as     func() credential
		denied map[string]int // by access; others come through
	}{
		{"nobody", func() credential { return nobody },
			map[string]int{"read": 401, "write": 401, "operator": 401, "operator_read": 401, "session": 401}},
		{"wrong token", func() credential { return bearer("sluice_wrong") },
			map[string]int{"public": 401, "read": 401, "write": 401, "operator": 401, "operator_read": 401, "session": 401}},
		{"stale session", func() credential { return cookie("over") },
			map[string]int{"read": 401, "write": 401, "operator": 401, "operator_read": 401, "session": 401}},
		{"operator's read token", func() credential { return w.token("admin", account.Read) },
			map[string]int{"write": 403, "operator": 403, "session": 403}},
		{"operator's write token", func() credential { return w.token("admin", account.Write) },
			map[string]int{"session": 403}},
		{"user's read token", func() credential { return w.token("mia", account.Read) },
			map[string]int{"write": 403, "operator": 403, "operator_read": 403, "session": 403}},
		{"user's write token", func() credential { return w.token("mia", account.Write) },
			map[string]int{"operator": 403, "operator_read": 403, "session": 403}},
		{"operator's session", func() credential { return w.session("admin") }, nil},
		{"user's session", func() credential { return w.session("mia") },
			map[string]int{"operator": 403, "operator_read": 403}},
		{"socket", func() credential { return socket }, map[string]int{"session": 403}},
	} {
		for _, r := range routes(t) {
			t.Run(c.name+" "+r.ID, func(t *testing.T) {
				path, body := r.reach()
				a := w.do(c.as(), r.method, path, body)
				if a.Code >= 500 {
					t.Log(w.log)
				}
				if want := c.denied[r.Access]; want != 0 {
					a.problem(want, map[int]string{401: "unsigned", 403: "forbidden"}[want])
				} else if a.Code == 401 || a.Code == 403 || a.Code >= 500 {
					t.Errorf("%d, want it to come through: %s", a.Code, a.Body)
				}
			})
		}
	}
}

func bearer(secret string) credential {
	return func(r *http.Request) *http.Request {
		r.Header.Set("Authorization", "Bearer "+secret)
		return r
	}
}

func cookie(secret string) credential {
	return func(r *http.Request) *http.Request {
		r.AddCookie(&http.Cookie{Name: SessionCookie, Value: secret})
		return r
	}
}

// What another web site makes a browser send changes nothing, on any route.
func TestOtherWebSitesCannotUseTheCookie(t *testing.T) {
	w := newWorld(t)
	foreign := [][]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.example"},
		{"Origin", "null"},
	}
	for _, r := range routes(t) {
		if r.method == http.MethodGet {
			continue
		}
		for _, headers := range foreign {
			path, body := r.reach()
			w.do(w.session("admin"), r.method, path, body, headers...).problem(403, "forbidden")
		}
	}
	w.do(nobody, "POST", "/login", Login{Code: "any"}, "Sec-Fetch-Site", "cross-site").problem(403, "forbidden")
	own := w.do(w.session("admin"), "POST", "/links", map[string]any{"slug": "own", "url": "https://shop.example/"},
		"Sec-Fetch-Site", "same-origin", "Origin", "http://example.com")
	own.want(201, nil)
	w.do(w.token("admin", account.Write), "POST", "/links", map[string]any{"slug": "token", "url": "https://shop.example/"},
		"Origin", "https://tool.example").want(201, nil)
}

func TestAuthorizationMustBeBearer(t *testing.T) {
	w := newWorld(t)
	p := w.do(nobody, "GET", "/links", nil, "Authorization", "Basic YWRtaW46eA==").problem(401, "unsigned")
	if !strings.Contains(p.Detail, "Bearer TOKEN") {
		t.Errorf("detail %q does not say what to send", p.Detail)
	}
	// A wrong token is not made good by a good cookie.
	a := w.do(w.session("admin"), "GET", "/links", nil, "Authorization", "Bearer sluice_wrong")
	a.problem(401, "unsigned")
	if a.Header().Get("WWW-Authenticate") != "Bearer" {
		t.Error("there is no WWW-Authenticate")
	}
}

func TestLogin(t *testing.T) {
	w := newWorld(t)
	code, err := w.accounts.IssueCode(t.Context(), "admin")
	w.must(err)
	var me Me
	a := w.do(nobody, "POST", "/login", Login{Code: code}).want(200, &me)
	if me.User != "admin" || !me.Operator || me.Via != "session" || me.HasPassword || me.ExpiresAt == nil {
		t.Errorf("me is %+v", me)
	}
	got := a.Result().Cookies()
	if len(got) != 1 || got[0].Name != SessionCookie || got[0].Path != "/" || !got[0].HttpOnly || got[0].Secure || got[0].SameSite != http.SameSiteStrictMode {
		t.Fatalf("cookies %v", got)
	}
	w.do(nobody, "POST", "/login", Login{Code: code}).problem(401, "unsigned") // it is used up
	as := cookie(got[0].Value)
	w.clock.Add(account.SessionLifetime / 2)
	a = w.do(as, "GET", "/me", nil).want(200, &me)
	if me.User != "admin" || me.Via != "session" {
		t.Errorf("me is %+v", me)
	}
	ends := w.clock.Now().Add(account.SessionLifetime)
	if renewed := a.Result().Cookies(); len(renewed) != 1 || renewed[0].Value != got[0].Value || !renewed[0].Expires.Equal(ends) || !me.ExpiresAt.Equal(ends) {
		t.Errorf("the cookie is not renewed: %v, ends %v", renewed, me.ExpiresAt)
	}
	a = w.do(as, "POST", "/logout", nil).want(204, nil)
	if gone := a.Result().Cookies(); len(gone) != 1 || gone[0].MaxAge >= 0 || gone[0].Value != "" {
		t.Errorf("logout leaves the cookie %v", gone)
	}
	w.do(as, "GET", "/me", nil).problem(401, "unsigned")
	w.do(as, "POST", "/logout", nil).want(204, nil)
}

func TestCookieIsSecureOverTLS(t *testing.T) {
	w := newWorld(t)
	code, err := w.accounts.IssueCode(t.Context(), "admin")
	w.must(err)
	a := w.do(func(r *http.Request) *http.Request {
		r.TLS = &tls.ConnectionState{}
		return r
	}, "POST", "/login", Login{Code: code}).want(200, nil)
	if !a.Result().Cookies()[0].Secure {
		t.Error("the cookie is not Secure")
	}
}

func TestSetPassword(t *testing.T) {
	w := newWorld(t)
	as := w.session("admin")
	other := w.session("admin")
	first, second := "correct horse battery", "staple horse battery"
	var me Me
	a := w.do(as, "PUT", "/me/password", PasswordChange{New: first}).want(200, &me)
	if !me.HasPassword {
		t.Error("the answer says that there is no password")
	}
	w.do(other, "GET", "/me", nil).problem(401, "unsigned")
	as = cookie(a.Result().Cookies()[0].Value)
	w.do(as, "GET", "/me", nil).want(200, nil)
	p := w.do(as, "PUT", "/me/password", PasswordChange{Current: "wrong", New: second}).problem(422, "invalid")
	if len(p.Errors) != 1 || p.Errors[0].Field != "current" {
		t.Errorf("errors %v", p.Errors)
	}
	w.do(as, "PUT", "/me/password", PasswordChange{Current: first, New: second}).want(200, nil)
	w.do(nobody, "POST", "/login", Login{User: "admin", Password: first}).problem(401, "unsigned")
	w.do(nobody, "POST", "/login", Login{User: "admin", Password: second}).want(200, nil)
}

func TestWrongLoginsSayTheSame(t *testing.T) {
	w := newWorld(t)
	_, err := w.accounts.CreateUser(t.Context(), "ann", "correct horse battery", false)
	w.must(err)
	wrong := w.do(nobody, "POST", "/login", Login{User: "ann", Password: "wrong"}).problem(401, "unsigned")
	for _, l := range []Login{{User: "nobody", Password: "wrong"}, {User: "mia", Password: ""}, {Code: "wrong"}} {
		if got := w.do(nobody, "POST", "/login", l).problem(401, "unsigned"); got.Detail != wrong.Detail && l.Code == "" {
			t.Errorf("%+v: %q, want %q", l, got.Detail, wrong.Detail)
		}
	}
}

func TestTooManyLogins(t *testing.T) {
	w := newWorld(t)
	for range loginBurst {
		w.do(nobody, "POST", "/login", Login{Code: "wrong"}).problem(401, "unsigned")
	}
	a := w.do(nobody, "POST", "/login", Login{Code: "wrong"})
	a.problem(429, "unavailable")
	if a.Header().Get("Retry-After") != "6" {
		t.Errorf("Retry-After is %q", a.Header().Get("Retry-After"))
	}
	w.clock.Add(loginEvery)
	w.do(nobody, "POST", "/login", Login{Code: "wrong"}).problem(401, "unsigned")
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	admin, mia := w.session("admin"), w.session("mia")
	var made NewToken
	w.do(mia, "POST", "/tokens", TokenInput{Name: "export"}).want(201, &made)
	if !strings.HasPrefix(made.Secret, "sluice_") || made.User != "mia" || len(made.Scopes) != 1 || made.Scopes[0] != account.Read {
		t.Fatalf("made %+v", made)
	}
	w.do(bearer(made.Secret), "GET", "/links", nil).want(200, nil)
	var listed struct{ Items []Token }
	a := w.do(admin, "GET", "/tokens", nil).want(200, &listed)
	if len(listed.Items) != 1 || listed.Items[0].ID != made.ID || strings.Contains(a.Body.String(), made.Secret) {
		t.Errorf("listed %s", a.Body)
	}
	var foreign NewToken
	w.do(admin, "POST", "/tokens", TokenInput{Name: "x", Scopes: []string{"write"}}).want(201, &foreign)
	w.do(mia, "DELETE", "/tokens/"+foreign.ID, nil).problem(404, "not_found")
	w.do(mia, "POST", "/tokens", TokenInput{Name: "x", User: "admin"}).problem(403, "forbidden")
	w.do(mia, "DELETE", "/tokens/"+made.ID, nil).want(204, nil)
	w.do(bearer(made.Secret), "GET", "/links", nil).problem(401, "unsigned")
	past := w.clock.Now().Add(-1)
	w.do(mia, "POST", "/tokens", TokenInput{Name: "x", ExpiresAt: &past}).problem(422, "invalid")
	w.do(socket, "POST", "/tokens", TokenInput{Name: "x"}).problem(422, "invalid")
	w.do(socket, "POST", "/tokens", TokenInput{Name: "x", User: "mia", Scopes: []string{"write"}}).want(201, &made)
	if made.User != "mia" {
		t.Errorf("made for %q", made.User)
	}
}

func TestUsers(t *testing.T) {
	w := newWorld(t)
	var made User
	w.do(socket, "POST", "/users", UserInput{Name: "ann", Operator: true}).want(201, &made)
	if made.Name != "ann" || !made.Operator || made.HasPassword {
		t.Errorf("made %+v", made)
	}
	w.do(socket, "POST", "/users", UserInput{Name: "ann"}).problem(409, "conflict")
	var code LoginCode
	w.do(socket, "POST", "/users/ann/login-code", nil).want(201, &code)
	w.do(nobody, "POST", "/login", Login{Code: code.Code}).want(200, nil)
	var listed struct{ Items []User }
	w.do(socket, "GET", "/users", nil).want(200, &listed)
	if len(listed.Items) != 3 {
		t.Errorf("listed %+v", listed)
	}
	w.do(socket, "DELETE", "/users/ann", nil).want(204, nil)
	w.do(socket, "DELETE", "/users/ann", nil).problem(404, "not_found")
	w.do(socket, "DELETE", "/users/admin", nil).problem(409, "conflict")
	var me Me
	w.do(socket, "GET", "/me", nil).want(200, &me)
	if me.User != LocalActor || me.Via != "socket" || !me.Operator {
		t.Errorf("me is %+v", me)
	}
}

func TestOnlyTheMarkMakesAnOperator(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewServer(AsOperator(w.handler))
	defer server.Close()
	response, err := http.Get(server.URL + prefix + "/me")
	w.must(err)
	defer func() { _ = response.Body.Close() }() // it was only read
	if response.StatusCode != 200 {
		t.Errorf("through AsOperator: %d", response.StatusCode)
	}
	w.do(nobody, "GET", "/me", nil).problem(401, "unsigned")
}
