package service

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"reflectionflow"
	"reflectionflow/internal/jobs"
)

// metrics are what Prometheus collects.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	// Of the searches that ended on this server.
	searches                      *prometheus.CounterVec // by outcome
	images, verdicts, tokens, usd prometheus.Counter
	waited, took                  prometheus.Histogram
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: "reflectionflow_" + name + "_total", Help: help})
}

func seconds(name, help string) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: "reflectionflow_" + name + "_seconds", Help: help, Buckets: prometheus.ExponentialBuckets(0.1, 3, 10)})
}

func newMetrics(q *jobs.Queue, served *models) *metrics {
	m := &metrics{registry: prometheus.NewRegistry(), requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "reflectionflow_request_seconds", Help: "Time of HTTP requests.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 9),
	}, []string{"route", "status"})}
	m.searches = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "reflectionflow_searches_total", Help: "Searches that ended here."}, []string{"outcome"})
	m.images, m.verdicts = counter("images", "Images that were generated."), counter("verdicts", "Images that a verifier judged.")
	m.tokens, m.usd = counter("tokens", "Tokens of language models, read and written."), counter("cost_usd", "Cost in USD, by the configured prices.")
	m.waited, m.took = seconds("wait", "Time that searches waited to start."), seconds("search", "Time that searches ran.")
	m.registry.MustRegister(m.requests, m.searches, m.images, m.verdicts, m.tokens, m.usd, m.waited, m.took)
	for _, state := range []jobs.State{jobs.Queued, jobs.Running} {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "reflectionflow_jobs", Help: "Jobs that have not ended.", ConstLabels: prometheus.Labels{"state": string(state)},
		}, func() float64 {
			n := 0
			for _, job := range q.Jobs() {
				if job.State == state {
					n++
				}
			}
			return float64(n)
		}))
	}
	for i, one := range served.list {
		m.engine(one.Name, served.turns[i])
	}
	return m
}

// engine registers what is known of a model's generator.
func (m *metrics) engine(model string, t *turns) {
	labels := prometheus.Labels{"model": model}
	counted := func(name, help string, value func(load) float64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "reflectionflow_engine_" + name, Help: help, ConstLabels: labels}, func() float64 { return value(t.load()) }))
	}
	gauge := func(name, help string, labels prometheus.Labels, value func(load) float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "reflectionflow_engine_" + name, Help: help, ConstLabels: labels}, func() float64 { return value(t.load()) }))
	}
	counted("active_seconds_total", "Time in which the generator had any image under way.", func(l load) float64 { return l.active.Seconds() })
	counted("image_seconds_total", "Time in which images were under way, summed over the images.", func(l load) float64 { return l.used.Seconds() })
	gauge("places", "Images that the generator is given at once, at most.", labels, func(l load) float64 { return float64(l.slots) })
	const help = "Images of running searches at the generator."
	gauge("images", help, prometheus.Labels{"model": model, "state": "under_way"}, func(l load) float64 { return float64(l.underWay) })
	gauge("images", help, prometheus.Labels{"model": model, "state": "waiting"}, func(l load) float64 { return float64(l.waiting) })
}

// begun counts the start of a search.
func (m *metrics) begun(r *jobs.Run) {
	if r.Attempts == 1 {
		m.waited.Observe(max(0, time.Since(r.Created).Seconds())) // another server, or the clock of before
	}
}

// ended counts the end of a search that began at a time.
func (m *metrics) ended(o jobs.Outcome, err error, begin time.Time) {
	outcome := "done"
	switch {
	case errors.Is(err, context.Canceled):
		outcome = "cancelled"
	case err != nil:
		outcome = "failed"
	}
	m.searches.WithLabelValues(outcome).Inc()
	m.images.Add(float64(o.Cost.Images))
	m.verdicts.Add(float64(o.Cost.VerifierCalls))
	m.tokens.Add(float64(o.Cost.TokensIn + o.Cost.TokensOut))
	m.usd.Add(o.Cost.USD)
	m.took.Observe(time.Since(begin).Seconds())
}

// judged counts an image that was verified without a search.
func (m *metrics) judged(c reflectionflow.Cost) {
	m.verdicts.Inc()
	m.tokens.Add(float64(c.TokensIn + c.TokensOut))
	m.usd.Add(c.USD)
}

func (m *metrics) request(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Observe(took.Seconds())
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
