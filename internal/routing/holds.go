package routing

import "github.com/sluicehq/sluice/internal/affiliate"

// Holds says whether a condition holds for a visit, exactly as a Table decides. It is for
// targets that cannot look at a clock and ask when they are made; it compiles the condition
// each time.
func Holds(c *affiliate.Condition, v *affiliate.Visit) (bool, error) {
	var w writer
	if err := writeCondition(&w, c); err != nil {
		return false, err
	}
	return holds(w.b, v), nil
}
