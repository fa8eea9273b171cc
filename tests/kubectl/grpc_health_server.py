"""A gRPC server with the health service, for a container: `grpc_health_server.py PORT`. The server is SERVING unless /tmp/sick
is there, its service "web" once /tmp/ready is; others are unknown to it."""
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc

SERVING, NOT_SERVING = 1, 2
STATUS = {"": lambda: NOT_SERVING if os.path.exists("/tmp/sick") else SERVING,
          "web": lambda: SERVING if os.path.exists("/tmp/ready") else NOT_SERVING}


class Health(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(self.check) if details.method == "/grpc.health.v1.Health/Check" else None

    def check(self, request, context):
        """Field 1 of both messages, a text and an enumeration, without generated code."""
        name = request[2:].decode()
        if name not in STATUS:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return bytes([8, STATUS[name]()])


server = grpc.server(ThreadPoolExecutor(4), handlers=(Health(),))
server.add_insecure_port(f"0.0.0.0:{sys.argv[1]}")
server.start()
server.wait_for_termination()
