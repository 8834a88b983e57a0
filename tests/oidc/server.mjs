// A certified authorization server on a free loopback port, for the tests.
//
// Standard output carries one JSON document a line: first `{"issuer": ...}`, then one for every request. The options
// are one JSON document in the first argument:
//
//   modules        folder that holds node_modules with oidc-provider (required)
//   redirect_paths paths of loopback redirect URIs, any port             default ["/callback"]
//   rotation       every refresh token serves once, reuse ends the grant  default true
//   jwt            access tokens are JWTs for one resource                default false
//   access_ttl     life of an access token in seconds                     default 3600
//   resource       JWT access tokens, for this resource and only where it is named in every request   default none
//
// Three clients are registered: `basic` and `post` with the secrets of CLIENTS, and `public` without one.

import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

// The library remarks on its defaults; standard output is for what the tests read.
console.log = console.info = console.error;

const options = { redirect_paths: ['/callback'], rotation: true, jwt: false, access_ttl: 3600, resource: null, ...JSON.parse(process.argv[2]) };
const entry = createRequire(join(options.modules, 'package.json')).resolve('oidc-provider');
const { default: Provider } = await import(pathToFileURL(entry));

/** The clients, by id: how each authenticates at the token endpoint, and its secret. */
const CLIENTS = {
  basic: { method: 'client_secret_basic', secret: 'canary-secret-of-basic-%:+/7f3a9d' },
  post: { method: 'client_secret_post', secret: 'canary-secret-of-post-&=?#-c41e08' },
  public: { method: 'none' },
};

/** The resource that JWT access tokens are for. */
const RESOURCE = options.resource ?? 'urn:tokenstrap:orders';

function registration([client_id, { method, secret }]) {
  return {
    client_id,
    client_secret: secret,
    client_name: `client ${client_id}`,
    // A native client may use any port of a loopback redirect URI (RFC 8252 section 7.3).
    application_type: 'native',
    token_endpoint_auth_method: method,
    grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
    response_types: ['code'],
    redirect_uris: options.redirect_paths.flatMap((path) => [`http://127.0.0.1${path}`, `http://localhost${path}`]),
  };
}

function configuration() {
  return {
    clients: Object.entries(CLIENTS).map(registration),
    cookies: { keys: ['only for tests'] },
    pkce: { required: () => true },
    scopes: ['openid', 'offline_access', 'orders:read', 'orders:write'],
    claims: { openid: ['sub'] },
    rotateRefreshToken: options.rotation,
    issueRefreshToken: async (_context, client) => client.grantTypeAllowed('refresh_token'),
    ttl: {
      AccessToken: options.access_ttl, AuthorizationCode: 60, DeviceCode: 120, Grant: 86400, IdToken: 3600,
      Interaction: 600, RefreshToken: 86400, Session: 86400,
    },
    findAccount: async (_context, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
    interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      deviceFlow: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
      dPoP: { enabled: true },
      registration: { enabled: true },
      resourceIndicators: {
        enabled: options.jwt || options.resource !== null,
        // Whoever is to name the resource gets no token for it without.
        defaultResource: () => (options.resource === null ? RESOURCE : undefined),
        useGrantedResource: () => options.resource === null,
        getResourceServerInfo: (_context, resource) => ({
          scope: 'orders:read orders:write', audience: resource, accessTokenFormat: 'jwt', accessTokenTTL: options.access_ttl,
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  };
}

function say(document) {
  process.stdout.write(`${JSON.stringify(document)}\n`);
}

/** Asks who the resource owner is and whether the client may act, on one page. */
async function show(provider, request, response) {
  const { params } = await provider.interactionDetails(request, response);
  const client = CLIENTS[params.client_id] ? params.client_id : 'another client';
  response.setHeader('content-type', 'text/html; charset=utf-8');
  response.end(`<!doctype html><meta charset="utf-8"><title>Consent</title>
<form method="post"><p>May ${client} act for you?</p>
<input name="login" placeholder="who you are" required>
<button name="answer" value="allow">Allow</button>
<button name="answer" value="refuse" formnovalidate>Refuse</button></form>`);
}

/** Grants everything that was asked for, or hands the refusal to the client. */
async function decide(provider, request, response) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const form = new URLSearchParams(Buffer.concat(chunks).toString());
  const { params } = await provider.interactionDetails(request, response);
  if (form.get('answer') !== 'allow') {
    const refusal = { error: 'access_denied', error_description: 'the resource owner said no' };
    return provider.interactionFinished(request, response, refusal, { mergeWithLastSubmission: false });
  }
  const accountId = form.get('login');
  const grant = new provider.Grant({ accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope ?? '');
  if (options.jwt || options.resource !== null) grant.addResourceScope(RESOURCE, params.scope ?? '');
  const result = { login: { accountId }, consent: { grantId: await grant.save() } };
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

/** Tells the test of every request, and of every secret that went over the wire with it. */
async function record(context, next) {
  await next();
  const sent = context.oidc?.body ?? {};
  const answer = context.body && typeof context.body === 'object' ? context.body : {};
  const names = ['access_token', 'refresh_token', 'id_token', 'device_code', 'code', 'code_verifier', 'client_secret'];
  const secrets = names.flatMap((name) => [sent[name], answer[name]]).filter((value) => typeof value === 'string');
  say({
    method: context.method, url: context.url, status: context.status, route: context.oidc?.route ?? null,
    grant_type: sent.grant_type ?? null, error: answer.error ?? null, secrets,
  });
}

let handler;
const server = createServer((request, response) => handler(request, response));
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, configuration());
  provider.use(record);
  const serve = provider.callback();
  handler = (request, response) => {
    if (!request.url.startsWith('/interaction/')) return serve(request, response);
    const answer = request.method === 'POST' ? decide : show;
    return answer(provider, request, response).catch((error) => {
      response.statusCode = 500;
      response.end(error.message);
    });
  };
  const clients = Object.entries(CLIENTS).map(([id, { secret }]) => ({ id, secret: secret ?? null }));
  say({ issuer, clients, resource: RESOURCE });
});

// The server ends with the test that started it, however that ends.
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
