package affiliate

import (
	"errors"
	"fmt"
	"strings"
)

// Code classifies an error that the caller can do something about. One table
// per face (HTTP, command line) turns codes into that face's own signals.
type Code string

// The codes. Anything without a code is a fault of the machine or of Sluice.
const (
	Invalid     Code = "invalid"     // the input breaks a rule; change it
	NotFound    Code = "not_found"   // no such thing
	Conflict    Code = "conflict"    // the name is taken, or the thing is still in use
	Stale       Code = "stale"       // somebody changed it since you read it
	Forbidden   Code = "forbidden"   // you may not
	Unsigned    Code = "unsigned"    // nobody is logged in, or the credential is wrong
	Unavailable Code = "unavailable" // try again later
	TooLarge    Code = "too_large"   // over a stated limit
)

// Error is an error for the caller: a code for programs, a sentence for people
// and, where the input has fields, one Fault for each field at fault.
type Error struct {
	Code    Code
	Message string
	Faults  []Fault
}

// Fault is one thing wrong with one field. Field is a path such as
// "rules[2].when[0].in"; Message says what is wrong and what to do.
type Fault struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Errorf returns an Error with a sentence.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string {
	if len(e.Faults) == 0 {
		return e.Message
	}
	parts := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		parts[i] = f.String()
	}
	if e.Message == "" {
		return strings.Join(parts, "; ")
	}
	return e.Message + ": " + strings.Join(parts, "; ")
}

func (f Fault) String() string {
	if f.Field == "" {
		return f.Message
	}
	return f.Field + ": " + f.Message
}

// CodeOf returns the code of err, or "" when it carries none.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// faults collects what is wrong with one document.
type faults []Fault

func (fs *faults) add(field, format string, args ...any) {
	*fs = append(*fs, Fault{Field: field, Message: fmt.Sprintf(format, args...)})
}

// err returns nil when nothing was collected.
func (fs faults) err(what string) error {
	if len(fs) == 0 {
		return nil
	}
	return &Error{Code: Invalid, Message: what, Faults: fs}
}
