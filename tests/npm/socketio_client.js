// A Socket.IO client: DOOR is the daemon's origin, PATH the path below /via that a Socket.IO client asks for.
const { io } = require('socket.io-client');
const crypto = require('crypto');

const [door, path] = process.argv.slice(2);
const options = {
  path, transports: ['websocket'], forceNew: true, reconnection: false, auth: { token: 'of-the-app' }, query: { room: 'a b' },
  extraHeaders: { Cookie: 'session=abc', 'X-Forward-Origin': 'https://shop.example' },
};
const say = (what) => console.log(JSON.stringify(what));
const fail = (why) => { console.error(why); say({ failed: String(why) }); process.exit(1); };
const socket = io(door, options);
const once = (name) => new Promise((resolve) => socket.once(name, (...args) => resolve(args)));

socket.on('connect_error', (error) => fail(error.message + ' ' + (error.description && error.description.message)));
socket.on('connect', async () => {
  say({ transport: socket.io.engine.transport.name });
  const big = crypto.randomBytes(300000);
  socket.emit('echo', 'grüße ☃', { deep: [1.5, null, true] }, big);
  const [text, json, bytes] = await once('echo');
  say({ text, json, same: Buffer.compare(bytes, big) === 0 });
  say({ sum: await new Promise((resolve) => socket.emit('sum', 20, 22, resolve)) });
  const numbers = [];
  socket.on('number', (n) => numbers.push(n));
  socket.emit('count', 2000);
  while (numbers.length < 2000) await once('number');
  say({ ordered: numbers.every((n, i) => n === i), count: numbers.length });
  socket.emit('join', 'a room');
  say({ joined: (await once('joined'))[0] });
  const other = io(door + '/other', { ...options, forceNew: false });
  other.on('hello', async (text) => {
    say({ other: text });
    let beats = 0;  // the server pings every 300 ms
    socket.io.on('ping', () => {
      if (++beats < 2) return;
      say({ beats });
      socket.on('disconnect', (why) => { say({ disconnect: why }); console.log('done'); process.exit(0); });
      socket.disconnect();
    });
  });
});
