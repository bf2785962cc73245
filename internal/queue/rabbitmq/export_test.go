package rabbitmq

import "errors"

// Break closes the producer's connection.
func (p *Producer) Break() {
	p.mu.Lock()
	out := p.current
	p.mu.Unlock()
	out.fail(errors.New("broken on purpose"))
}
