package fleet

import "reflectionflow"

// AnswerName is the name of the answer to a request.
func AnswerName(m Model, r reflectionflow.Request) (string, error) {
	q := question{Draw: &r}
	if r.Reference != nil {
		var err error
		if _, q.Reference, err = encode(r.Reference); err != nil {
			return "", err
		}
	}
	key, err := q.key(m.Fingerprint)
	return answerName(key), err
}
