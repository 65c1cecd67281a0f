// A receiver of the forward protocol that is not ours. It listens on the port given (0: any), writes that to the file
// PORT, and appends each record to the file RECORDS before it acknowledges it, as a Fluentd with a file buffer does.
"use strict";
const fs = require("fs");
const { FluentServer } = require("@fluent-org/logger");

const [port, portFile, recordsFile] = process.argv.slice(2);
const records = fs.openSync(recordsFile, "a");
const server = new FluentServer({ listenOptions: { port: Number(port), host: "127.0.0.1" } });

// The package acknowledges first and hands out the entries then: killed between the two, it would lose them.
server.server.prependListener("connection", (socket) => {
  const write = socket.write.bind(socket);
  socket.write = (...data) => setImmediate(write, ...data);
});
server.on("entry", (tag, time, record) => {
  fs.writeSync(records, JSON.stringify({ tag, seconds: time.epoch, nanoseconds: time.nano, record }) + "\n");
});
server.listen().then(() => fs.writeFileSync(portFile, String(server.port)));
