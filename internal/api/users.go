package api

import (
	"context"
	"net/http"

	"github.com/sluicehq/sluice/internal/account"
)

const tagUsers = "Users"

// User is somebody who may log in.
type User struct {
	account.User
}

// UserInput makes a user.
type UserInput struct {
	Name     string `json:"name" maxLength:"200" doc:"Name to log in with." example:"mia"`
	Password string `json:"password,omitempty" maxLength:"1024" doc:"Password. Empty: only a login code lets the user in."`
	Operator bool   `json:"operator,omitempty" doc:"Whether sites, programs, partners and users may be changed too."`
}

// LoginCode lets a user in once.
type LoginCode struct {
	User string `json:"user" doc:"Name of the user." example:"admin"`
	Code string `json:"code" doc:"One-time login code. It is shown only here." example:"k3v9-2m7q-x8ta"`
}

type usersAnswer struct {
	Body struct {
		Items []User `json:"items"`
	} `nameHint:"UserList"`
}

// UserPath names a user in an address.
type UserPath struct {
	Name string `path:"name" doc:"Name of the user." example:"mia"`
}

func (s *server) registerUsers() {
	handle(s, operation{
		method: http.MethodGet, path: "/users", id: "listUsers", tag: tagUsers, access: operator,
		summary: "List users",
	}, s.listUsers)
	handle(s, operation{
		method: http.MethodPost, path: "/users", id: "createUser", tag: tagUsers, access: operator, status: http.StatusCreated,
		summary: "Add a user", errors: []int{http.StatusConflict},
	}, s.createUser)
	handle(s, operation{
		method: http.MethodDelete, path: "/users/{name}", id: "deleteUser", tag: tagUsers, access: operator, status: http.StatusNoContent,
		summary:     "Remove a user",
		description: "With all sessions and tokens. The last operator cannot be removed.", errors: []int{http.StatusConflict},
	}, s.deleteUser)
	handle(s, operation{
		method: http.MethodPost, path: "/users/{name}/login-code", id: "issueLoginCode", tag: tagUsers, access: operator, status: http.StatusCreated,
		summary:     "Make a one-time login code",
		description: "For a first login or a forgotten password. Earlier codes of the user end.",
	}, s.issueCode)
}

func (s *server) listUsers(ctx context.Context, _ *struct{}) (*usersAnswer, error) {
	users, err := s.Accounts.Users(ctx)
	if err != nil {
		return nil, err
	}
	out := &usersAnswer{}
	out.Body.Items = make([]User, len(users))
	for i, u := range users {
		out.Body.Items[i] = User{u}
	}
	return out, nil
}

func (s *server) createUser(ctx context.Context, in *struct{ Body UserInput }) (*struct{ Body User }, error) {
	u, err := s.Accounts.CreateUser(ctx, in.Body.Name, in.Body.Password, in.Body.Operator)
	if err != nil {
		return nil, err
	}
	return &struct{ Body User }{User{u}}, nil
}

func (s *server) deleteUser(ctx context.Context, in *UserPath) (*struct{}, error) {
	return nil, s.Accounts.DeleteUser(ctx, in.Name)
}

func (s *server) issueCode(ctx context.Context, in *UserPath) (*struct{ Body LoginCode }, error) {
	code, err := s.Accounts.IssueCode(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	return &struct{ Body LoginCode }{LoginCode{User: in.Name, Code: code}}, nil
}
