// A GraphQL server over graphql-ws; refuses what does not speak graphql-transport-ws.
const { WebSocketServer } = require('ws');
const { useServer } = require('graphql-ws/lib/use/ws');
const { buildSchema } = require('graphql');

const schema = buildSchema(`
  type Query { hello(name: String!): String! }
  type Subscription { countdown(from: Int!): Int! }
`);
const roots = {
  query: { hello: ({ name }) => `hello ${name}` },
  subscription: {
    countdown: async function* ({ from }) { for (let i = from; i >= 0; i--) yield { countdown: i }; },
  },
};
const web = new WebSocketServer({ port: 0, host: '127.0.0.1', path: '/graphql' }, () => console.log(web.address().port));
web.on('connection', (socket, request) => console.log(JSON.stringify({ protocol: socket.protocol, headers: request.headers })));
useServer({ schema, roots, onConnect: (ctx) => { console.log(JSON.stringify({ params: ctx.connectionParams })); return true; } }, web, 200);
