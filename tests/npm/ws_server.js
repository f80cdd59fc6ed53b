// A WebSocket server of the ws package, the way most are written; permessage-deflate is offered to whoever asks.
const { WebSocketServer } = require('ws');

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: true,
  handleProtocols: (offered) => (offered.has('chat') ? 'chat' : false) }, () => console.log(server.address().port));
server.on('connection', (socket, request) => {
  console.log(JSON.stringify({ url: request.url, headers: request.headers, protocol: socket.protocol, extensions: socket.extensions }));
  socket.on('message', (data, binary) => socket.send(data, { binary }));
  socket.on('ping', (data) => console.log(JSON.stringify({ ping: data.toString() })));
  socket.on('close', (code, reason) => console.log(JSON.stringify({ code, reason: reason.toString() })));
});
