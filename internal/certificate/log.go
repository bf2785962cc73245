package certificate

import (
	"context"
	"log/slog"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newLogger lets the ACME library write into the program's log: what matters to an
// operator, and of one kind of line no more than a few a minute, because strangers
// can cause some of them.
func newLogger(to *slog.Logger) *zap.Logger {
	return zap.New(zapcore.NewSamplerWithOptions(bridge{to: to.Handler()}, time.Minute, 3, 0))
}

// bridge is a zap core that writes to a slog handler.
type bridge struct{ to slog.Handler }

// Enabled leaves out what the library says of each visitor.
func (b bridge) Enabled(l zapcore.Level) bool { return l >= zapcore.InfoLevel }

func (b bridge) With(fields []zapcore.Field) zapcore.Core {
	return bridge{b.to.WithAttrs(attributes(fields))}
}

func (b bridge) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if b.Enabled(e.Level) && b.to.Enabled(context.Background(), level(e.Level)) {
		return c.AddCore(e, b)
	}
	return c
}

func (b bridge) Write(e zapcore.Entry, fields []zapcore.Field) error {
	r := slog.NewRecord(e.Time, level(e.Level), "certificates: "+e.Message, 0)
	r.AddAttrs(attributes(fields)...)
	return b.to.Handle(context.Background(), r)
}

func (b bridge) Sync() error { return nil }

func level(l zapcore.Level) slog.Level {
	switch {
	case l >= zapcore.ErrorLevel:
		return slog.LevelError
	case l == zapcore.WarnLevel:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

func attributes(fields []zapcore.Field) []slog.Attr {
	values := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(values)
	}
	attrs := make([]slog.Attr, 0, len(fields))
	for _, f := range fields {
		if v, ok := values.Fields[f.Key]; ok {
			attrs = append(attrs, slog.Any(f.Key, v))
		}
	}
	return attrs
}

var _ zapcore.Core = bridge{}
