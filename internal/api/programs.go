package api

import (
	"context"
	"net/http"

	"github.com/sluicehq/sluice/internal/affiliate"
)

const tagPrograms = "Programs"

// Program is an agreement with a merchant that links belong to.
type Program struct {
	affiliate.Program
}

// ProgramInput is what may be written of a program.
type ProgramInput struct {
	affiliate.Program
}

type programAnswer struct {
	ETag string `header:"ETag" doc:"Version, for If-Match."`
	Body Program
}

type programCreated struct {
	Location string `header:"Location" doc:"Address of the new program."`
	ETag     string `header:"ETag" doc:"Version, for If-Match."`
	Body     Program
}

type programsAnswer struct {
	Body struct {
		Items []Program `json:"items"`
	} `nameHint:"ProgramList"`
}

// ProgramPath names a program in an address.
type ProgramPath struct {
	Program string `path:"program" doc:"Id of the program." example:"acme"`
}

func (s *server) registerPrograms() {
	handle(s, operation{
		method: http.MethodGet, path: "/programs", id: "listPrograms", tag: tagPrograms, access: read,
		summary: "List programs",
	}, s.listPrograms)
	handle(s, operation{
		method: http.MethodPost, path: "/programs", id: "createProgram", tag: tagPrograms, access: operator, status: http.StatusCreated,
		summary: "Add a program", errors: []int{http.StatusConflict},
	}, s.createProgram)
	handle(s, operation{
		method: http.MethodGet, path: "/programs/{program}", id: "getProgram", tag: tagPrograms, access: read,
		summary: "Show a program",
	}, s.getProgram)
	handle(s, operation{
		method: http.MethodPut, path: "/programs/{program}", id: "updateProgram", tag: tagPrograms, access: operator,
		summary: "Replace a program", description: "Terms of its settlement that are in force, the settlement's currency and the settlement itself stay: " +
			"send them along, and add terms that begin now or later.",
		errors: []int{http.StatusConflict, http.StatusPreconditionFailed},
	}, s.updateProgram)
	handle(s, operation{
		method: http.MethodDelete, path: "/programs/{program}", id: "deleteProgram", tag: tagPrograms, access: operator, status: http.StatusNoContent,
		summary: "Remove a program", description: "No link and no partner may refer to it.",
		errors: []int{http.StatusConflict, http.StatusPreconditionFailed},
	}, s.deleteProgram)
}

func (s *server) listPrograms(ctx context.Context, _ *struct{}) (*programsAnswer, error) {
	programs, err := s.Catalog.Programs(ctx)
	if err != nil {
		return nil, err
	}
	out := &programsAnswer{}
	out.Body.Items = make([]Program, len(programs))
	for i, program := range programs {
		out.Body.Items[i] = Program{program}
	}
	return out, nil
}

func (s *server) createProgram(ctx context.Context, in *struct{ Body ProgramInput }) (*programCreated, error) {
	program, err := s.Catalog.CreateProgram(ctx, callerOf(ctx).actor(), in.Body.Program)
	if err != nil {
		return nil, err
	}
	return &programCreated{Location: prefix + "/programs/" + program.ID, ETag: etag(program.Version), Body: Program{program}}, nil
}

func (s *server) getProgram(ctx context.Context, in *ProgramPath) (*programAnswer, error) {
	program, err := s.Catalog.Program(ctx, in.Program)
	if err != nil {
		return nil, err
	}
	return programOf(program), nil
}

func (s *server) updateProgram(ctx context.Context, in *struct {
	ProgramPath
	Precondition
	Body ProgramInput
}) (*programAnswer, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	program := in.Body.Program
	if err := sameName("id", &program.ID, in.Program); err != nil {
		return nil, err
	}
	program, err = s.Catalog.UpdateProgram(ctx, callerOf(ctx).actor(), program, version)
	if err != nil {
		return nil, err
	}
	return programOf(program), nil
}

func (s *server) deleteProgram(ctx context.Context, in *struct {
	ProgramPath
	Precondition
}) (*struct{}, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	return nil, s.Catalog.DeleteProgram(ctx, callerOf(ctx).actor(), in.Program, version)
}

func programOf(program affiliate.Program) *programAnswer {
	return &programAnswer{ETag: etag(program.Version), Body: Program{program}}
}
