package store

import (
	"reflect"

	"github.com/redis/go-redis/v9"
)

// wrapped bounds how many structs may embed the client, one within the other.
const wrapped = 16

// unfit returns why no lock can be on a client: ErrRing or ErrNilClient. A client may be embedded in a
// struct that adds something, a tracer say; then the embedded client decides.
func unfit(client redis.UniversalClient) error {
	return unfitValue(reflect.ValueOf(client), wrapped)
}

func unfitValue(v reflect.Value, depth int) error {
	if depth == 0 {
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return ErrNilClient
		}
		return unfitValue(v.Elem(), depth-1)
	case reflect.Struct:
		switch v.Type() {
		case reflect.TypeFor[redis.Ring]():
			return ErrRing
		case reflect.TypeFor[redis.Client](), reflect.TypeFor[redis.ClusterClient]():
			return nil
		}
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if !field.Anonymous || !reflect.PointerTo(field.Type).Implements(universal) && !field.Type.Implements(universal) {
				continue
			}
			if err := unfitValue(v.Field(i), depth-1); err != nil {
				return err
			}
		}
	}
	return nil
}

var universal = reflect.TypeFor[redis.UniversalClient]()
