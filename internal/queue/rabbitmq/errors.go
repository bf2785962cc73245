package rabbitmq

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// errTooOld is a broker without streams.
var errTooOld = errors.New("streams begin with RabbitMQ 3.9: update it")

// errNoCopy is a node that does not keep a stream.
var errNoCopy = affiliate.Errorf(affiliate.Unavailable, "AMQP reads only where a copy is: have all nodes keep one (rabbitmq-streams add_replica), or name the nodes that do")

// checkVersion refuses a broker without streams. One that does not say what it is, is
// let in: declaring a stream will show it.
func checkVersion(conn *amqp.Connection) error {
	version := versionOf(conn)
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, errMajor := strconv.Atoi(major)
	b, errMinor := strconv.Atoi(minor)
	if errMajor == nil && errMinor == nil && (a < 3 || a == 3 && b < 9) {
		return fmt.Errorf("it is version %s: %w", version, errTooOld)
	}
	return nil
}

func versionOf(conn *amqp.Connection) string {
	version, _ := conn.Properties["version"].(string)
	return version
}

// explainConnect says what to do about a connection that cannot be had.
func explainConnect(host string, err error) error {
	var refused *amqp.Error
	switch {
	case errors.Is(err, errTooOld):
		return fmt.Errorf("rabbitmq: the broker at %s is too old: %w", host, err)
	case errors.As(err, &refused) && refused.Code == amqp.AccessRefused:
		return affiliate.Errorf(affiliate.Unsigned, "rabbitmq: %s refuses the user or the password: check both (rabbitmqctl authenticate_user); the user guest may come from the broker's own machine only", host)
	case errors.As(err, &refused) && refused.Code == amqp.NotAllowed:
		return affiliate.Errorf(affiliate.Forbidden, "rabbitmq: %s does not let the user in: %s: make the vhost (rabbitmqctl add_vhost) and grant the user its permissions (rabbitmqctl set_permissions)", host, refused.Reason)
	case strings.Contains(err.Error(), "first record does not look like a TLS handshake"):
		return fmt.Errorf("rabbitmq: %s does not speak TLS on this port: use amqp:// or the port for TLS, which is 5671 unless it was changed: %w", host, err)
	case strings.Contains(err.Error(), "frame size exceeds"):
		return fmt.Errorf("rabbitmq: %s does not answer in AMQP: use amqps:// if it is the port for TLS, and check the address: %w", host, err)
	case strings.Contains(err.Error(), "certificate"):
		return fmt.Errorf("rabbitmq: the certificate of %s is not trusted: name the file of its authority: %w", host, err)
	}
	return affiliate.Errorf(affiliate.Unavailable, "rabbitmq: no broker can be reached at %s (%v): check that it runs and that the address is right", host, err)
}

// has reports whether the broker has answered with a code.
func has(err error, code int) bool {
	var answer *amqp.Error
	return errors.As(err, &answer) && answer.Code == code
}

// isMissing reports whether the broker knows nothing of a name. It answers with the same
// code when there is a queue that it cannot reach, because the nodes that have it are away or
// begin only.
func isMissing(err error) bool {
	var answer *amqp.Error
	return errors.As(err, &answer) && answer.Code == amqp.NotFound && strings.Contains(answer.Reason, " - no ")
}

// explainDeclare says what to do about a queue or exchange that cannot be had.
func explainDeclare(what string, err error) error {
	switch {
	case strings.Contains(err.Error(), "replica on the local node"):
		return fmt.Errorf("rabbitmq: %s has no copy that runs on the node that was asked: %w", what, errNoCopy)
	case has(err, amqp.AccessRefused):
		return affiliate.Errorf(affiliate.Forbidden, "rabbitmq: the user may not make or use %s (%v): grant it with rabbitmqctl set_permissions", what, err)
	case has(err, amqp.NotFound) && !isMissing(err):
		return affiliate.Errorf(affiliate.Unavailable, "rabbitmq: %s is there and cannot be reached (%v): look whether most of the nodes that keep it run (rabbitmqctl cluster_status)", what, err)
	case has(err, amqp.NotFound):
		return affiliate.Errorf(affiliate.NotFound, "rabbitmq: %s is missing and the user may not make it: grant the permission to configure it, or make it", what)
	case has(err, amqp.PreconditionFailed):
		return affiliate.Errorf(affiliate.Conflict, "rabbitmq: %s is there but is not what it should be (%v): choose another name for the topic, or remove it", what, err)
	}
	return fmt.Errorf("rabbitmq: %s: %w", what, err)
}
