// A Socket.IO server, websocket transport only: echoes, acknowledges, counts down, says what the handshake had.
const http = require('http');
const { Server } = require('socket.io');

const web = http.createServer();
const io = new Server(web, { transports: ['websocket'], pingInterval: 300 });
io.on('connection', (socket) => {
  const { headers, query, auth } = socket.handshake;
  console.log(JSON.stringify({ connected: headers, query, auth, transport: socket.conn.transport.name }));
  socket.on('echo', (...args) => socket.emit('echo', ...args));
  socket.on('sum', (a, b, answer) => answer(a + b));
  socket.on('count', (n) => { for (let i = 0; i < n; i++) socket.emit('number', i); });
  socket.on('join', (room) => { socket.join(room); io.to(room).emit('joined', room); });
  socket.on('disconnect', (why) => console.log(JSON.stringify({ disconnected: why })));
});
io.of('/other').on('connection', (socket) => socket.emit('hello', 'from another namespace'));
web.listen(0, '127.0.0.1', () => console.log(web.address().port));
