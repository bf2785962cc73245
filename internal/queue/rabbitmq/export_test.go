package rabbitmq

import "errors"

// Break closes the producer's connection.
func (p *Producer) Break() {
	p.mu.Lock()
	out := p.current
	p.mu.Unlock()
	out.fail(errors.New("broken on purpose"))
}

// Break closes the reader's connection.
func (q *Queue) Break() {
	q.mu.Lock()
	defer q.mu.Unlock()
	_ = q.conn.Close()
}
