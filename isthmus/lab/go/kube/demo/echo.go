package main

import (
	"context"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// echoer is the gRPC service `isthmus.demo.Echo`, on messages every gRPC library has (google.protobuf.StringValue).
type echoer interface {
	say(context.Context, *wrapperspb.StringValue) (*wrapperspb.StringValue, error)
	stream(grpc.ServerStream) error
}

func newGRPC(who identity) *grpc.Server {
	server := grpc.NewServer()
	server.RegisterService(&echoService, who)
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	return server
}

// Say answers `CLUSTER/POD: TEXT`; Stream does so for every message.
var echoService = grpc.ServiceDesc{
	ServiceName: "isthmus.demo.Echo",
	HandlerType: (*echoer)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Say",
		Handler: func(srv any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			in := new(wrapperspb.StringValue)
			if err := decode(in); err != nil {
				return nil, err
			}
			return srv.(echoer).say(ctx, in)
		},
	}},
	Streams: []grpc.StreamDesc{{
		StreamName: "Stream", ServerStreams: true, ClientStreams: true,
		Handler: func(srv any, stream grpc.ServerStream) error { return srv.(echoer).stream(stream) },
	}},
}

func (who identity) say(_ context.Context, in *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	return wrapperspb.String(who.Cluster + "/" + who.Pod + ": " + in.GetValue()), nil
}

func (who identity) stream(stream grpc.ServerStream) error {
	for {
		in := new(wrapperspb.StringValue)
		if err := stream.RecvMsg(in); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		out, _ := who.say(stream.Context(), in)
		if err := stream.SendMsg(out); err != nil {
			return err
		}
	}
}
