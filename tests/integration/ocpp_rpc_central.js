// A central system that is not ours: that of the npm package ocpp-rpc, which validates strictly what it is told and what
// it answers. It prints its port. At its end it prints its books as JSON: sessions, readings, and what was not valid.
"use strict";
const { RPCServer } = require("ocpp-rpc");

const books = { transactions: [], readings: 0, faults: [] };
const now = () => new Date().toISOString();
const server = new RPCServer({ protocols: ["ocpp1.6"], strictMode: true });
server.auth((accept, reject, handshake) => accept({ identity: handshake.identity }));
server.on("client", (client) => {
  client.on("strictValidationFailure", ({ error }) => books.faults.push(String(error)));
  client.handle("BootNotification", () => ({ status: "Accepted", interval: 300, currentTime: now() }));
  client.handle("Heartbeat", () => ({ currentTime: now() }));
  client.handle("StatusNotification", () => ({}));
  client.handle("Authorize", () => ({ idTagInfo: { status: "Accepted" } }));
  client.handle("MeterValues", () => {
    books.readings += 1;
    return {};
  });
  client.handle("StartTransaction", ({ params }) => {
    const transactionId = books.transactions.push({ charger: client.identity, ...params });
    return { transactionId, idTagInfo: { status: "Accepted" } };
  });
  client.handle("StopTransaction", ({ params }) => {
    books.transactions[params.transactionId - 1].meterStop = params.meterStop;
    return {};
  });
  client.handle(({ method }) => {
    books.faults.push(method);
    return {};
  });
});
process.on("SIGTERM", () => {
  console.log(JSON.stringify(books));
  process.exit(0);
});
server.listen(0, "127.0.0.1").then((http) => console.log(http.address().port));
