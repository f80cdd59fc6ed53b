// A client of the ws package at URL: text, binary, fragments, ping and pong, a close with a code of its own.
const WebSocket = require('ws');
const crypto = require('crypto');

const [url, ...protocols] = process.argv.slice(2);
const socket = new WebSocket(url, protocols, { perMessageDeflate: true, headers: { Cookie: 'a=1; b=2', 'User-Agent': 'shop/1.0' } });
const say = (what) => console.log(JSON.stringify(what));
const message = () => new Promise((resolve) => socket.once('message', (data, binary) => resolve([data, binary])));

socket.on('error', (error) => { say({ failed: error.message }); process.exit(1); });
socket.on('open', async () => {
  say({ protocol: socket.protocol, extensions: socket.extensions });
  const [first] = await message();
  say({ first: first.toString() });
  const big = crypto.randomBytes(1 << 20);
  socket.send(big);
  const [data, binary] = await message();
  say({ same: Buffer.compare(data, big) === 0, binary });
  socket.send('frag', { fin: false });
  socket.ping('between');
  socket.send('ment', { fin: true });
  socket.once('pong', (data) => say({ pong: data.toString() }));
  const [joined, isBinary] = await message();
  say({ joined: joined.toString(), binary: isBinary });
  socket.close(4321, 'that was all');
});
socket.on('upgrade', () => setImmediate(() => socket.send('first')));
socket.on('close', (code, reason) => { say({ code, reason: reason.toString() }); console.log('done'); });
