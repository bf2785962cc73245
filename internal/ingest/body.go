package ingest

import "bytes"

// eachClick calls fn for every click of a body: {"clicks": […]}, or objects one after the
// other, as JSON lines are. It ends with the first error, fn's or one about the JSON; n is
// how many clicks were read before.
func (s *scanner) eachClick(c *Click, fn func(n int) error) (n int, err error) {
	one := func() error {
		if err := s.click(c); err != nil {
			return err
		}
		if err := fn(n); err != nil {
			return err
		}
		n++
		return nil
	}
	if at, found := s.findList(); found {
		s.at = at
		if err := s.list(one); err != nil {
			return n, err
		}
		return n, s.endOfObject()
	}
	for s.peek() != 0 || s.at < len(s.b) {
		if err := one(); err != nil {
			return n, err
		}
	}
	return n, nil
}

// findList says where the list of clicks begins, if the body is one object that has it.
// The scanner stays where it is.
func (s *scanner) findList() (at int, found bool) {
	look := scanner{b: s.b}
	errFound := &syntaxError{}
	err := look.object(func(key string) error {
		if key == "clicks" && look.peek() == '[' {
			return errFound
		}
		return look.skip()
	})
	return look.at, err == error(errFound)
}

// endOfObject takes what may follow the list of clicks.
func (s *scanner) endOfObject() error {
	for s.peek() == ',' {
		s.at++
		if s.peek() != '"' {
			return s.fault("a key in quotes is wanted, and there is %s", s.next())
		}
		key, err := s.text()
		if err != nil {
			return err
		}
		if key == "clicks" {
			return s.fault("there are two lists of clicks")
		}
		if err := s.expect(':', "\":\" is wanted behind a key"); err != nil {
			return err
		}
		if err := s.skip(); err != nil {
			return err
		}
	}
	if err := s.expect('}', "\"}\" is wanted behind the list of clicks"); err != nil {
		return err
	}
	if s.peek() != 0 || s.at < len(s.b) {
		return s.fault("nothing may follow the list of clicks, and there is %s", s.next())
	}
	return nil
}

// lineOf is the line of a byte, counted from 1.
func lineOf(b []byte, at int) int { return 1 + bytes.Count(b[:min(at, len(b))], []byte("\n")) }
