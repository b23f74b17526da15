// franz-go's registry client and serde: `registrychecks write|read BROKER REGISTRY`. What is written and printed: see run.py.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
)

const name = "franz-go"

type order struct {
	Client string `json:"client" avro:"client"`
	N      int    `json:"n" avro:"n"`
	Note   string `json:"note,omitempty" avro:"note"`
}

type firstOrder struct {
	Client string `json:"client" avro:"client"`
	N      int    `json:"n" avro:"n"`
}

var kinds = []string{"avro", "json"}

var types = map[string]sr.SchemaType{"avro": sr.TypeAvro, "json": sr.TypeJSON}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func encode(kind, text string, value any) []byte {
	if kind == "json" {
		bytes, err := json.Marshal(value)
		check(err)
		return bytes
	}
	schema, err := avro.Parse(text)
	check(err)
	bytes, err := schema.Encode(value)
	check(err)
	return bytes
}

func write(ctx context.Context, kafka *kgo.Client, registry *sr.Client, texts map[string][]string) {
	for _, kind := range kinds {
		for version := 1; version <= 2; version++ {
			text := texts[kind][version-1]
			subject := "reg-" + kind + "-value"
			schema, err := registry.CreateSchema(ctx, subject, sr.Schema{Schema: text, Type: types[kind]})
			check(err)
			var value any = firstOrder{name, version}
			if version == 2 {
				value = order{name, version, "second"}
			}
			var header sr.ConfluentHeader
			bytes, err := header.AppendEncode(nil, schema.ID, nil)
			check(err)
			bytes = append(bytes, encode(kind, text, value)...)
			record := &kgo.Record{Topic: "reg-" + kind, Value: bytes}
			check(kafka.ProduceSync(ctx, record).FirstErr())
			fmt.Printf("wrote %s %d %d\n", kind, version, schema.ID)
		}
	}
}

func decode(ctx context.Context, registry *sr.Client, kind string, bytes []byte) order {
	var header sr.ConfluentHeader
	id, rest, err := header.DecodeID(bytes)
	check(err)
	var value order
	if kind == "json" {
		check(json.Unmarshal(rest, &value))
		return value
	}
	schema, err := registry.SchemaByID(ctx, id)
	check(err)
	parsed, err := avro.Parse(schema.Schema)
	check(err)
	_, err = parsed.Decode(rest, &value)
	check(err)
	return value
}

func read(ctx context.Context, kafka *kgo.Client, registry *sr.Client) {
	for idle := 0; idle < 2; {
		within, cancel := context.WithTimeout(ctx, 1500*time.Millisecond)
		fetches := kafka.PollFetches(within)
		cancel()
		if fetches.NumRecords() == 0 {
			idle++
			continue
		}
		fetches.EachRecord(func(record *kgo.Record) {
			kind := record.Topic[len("reg-"):]
			value := decode(ctx, registry, kind, record.Value)
			note := value.Note
			if note == "" {
				note = "-"
			}
			fmt.Printf("read %s %s %d %s\n", kind, value.Client, value.N, note)
		})
	}
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	registry, err := sr.NewClient(sr.URLs(os.Args[3]))
	check(err)
	options := []kgo.Opt{kgo.SeedBrokers(os.Args[2]), kgo.AllowAutoTopicCreation()}
	if os.Args[1] == "read" {
		topics := []string{}
		for _, kind := range kinds {
			topics = append(topics, "reg-"+kind)
		}
		options = append(options, kgo.ConsumeTopics(topics...), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	}
	kafka, err := kgo.NewClient(options...)
	check(err)
	defer kafka.Close()
	if os.Args[1] == "read" {
		read(ctx, kafka, registry)
		return
	}
	bytes, err := os.ReadFile(filepath.Join(os.Getenv("SCHEMAS"), "orders.json"))
	check(err)
	texts := map[string][]string{}
	check(json.Unmarshal(bytes, &texts))
	write(ctx, kafka, registry, texts)
}
