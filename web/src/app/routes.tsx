import {
    createRootRoute,
    createRoute,
    createRouter,
    lazyRouteComponent,
    Outlet,
    redirect,
} from '@tanstack/react-router';
import { ApiError } from '../api/client.ts';
import { live } from '../api/live.ts';
import { queries, readSession, sessionKey } from '../api/queries.ts';
import { NotFound } from './notfound.tsx';
import { pages } from './pages.ts';
import { paths } from './paths.ts';
import { Broken } from './problem.tsx';
import { Shell } from './shell.tsx';

const root = createRootRoute({ component: Outlet });

/** Everything but sign-in and welcome: with a session, inside the frame. */
const inside = createRoute({
    getParentRoute: () => root,
    id: 'inside',
    component: Shell,
    beforeLoad: async ({ location }) => {
        try {
            await queries.ensureQueryData({
                queryKey: sessionKey,
                queryFn: ({ signal }) => readSession(signal),
            });
            // Before the page reads anything, so that it misses nothing.
            live.start();
        } catch (error) {
            if (error instanceof ApiError && error.status === 401)
                throw redirect({ href: paths.signIn(location.href), replace: true });
            throw error;
        }
    },
});

const routeOf = (parent: typeof root | typeof inside, row: (typeof pages)[number]) =>
    createRoute({
        getParentRoute: () => parent as typeof root,
        path: row.path,
        component: lazyRouteComponent(row.load),
    });

const tree = root.addChildren([
    inside.addChildren([
        ...pages.filter((row) => !row.isOpen).map((row) => routeOf(inside, row)),
        createRoute({ getParentRoute: () => inside, path: '$', component: NotFound }),
    ]),
    ...pages.filter((row) => row.isOpen).map((row) => routeOf(root, row)),
]);

/** Search parameters are plain words here: ?node=5, not JSON. */
export const router = createRouter({
    routeTree: tree,
    defaultPreload: 'intent',
    defaultPreloadStaleTime: 0,
    defaultPendingMs: 300,
    defaultErrorComponent: Broken,
    defaultNotFoundComponent: NotFound,
    scrollRestoration: false,
    parseSearch: (search) => Object.fromEntries(new URLSearchParams(search)),
    stringifySearch: (search) => {
        const entries = Object.entries(search as Record<string, unknown>).filter(
            ([, value]) => value !== undefined && value !== null && value !== '',
        );
        const text = new URLSearchParams(
            entries.map(([name, value]) => [name, String(value)]),
        ).toString();
        return text === '' ? '' : `?${text}`;
    },
});

/* The page of this address is fetched while we still ask who is there. */
const firstPart = `/${window.location.pathname.split('/')[1] ?? ''}`;
const isDeep = window.location.pathname.split('/').length > 2;
void pages
    .find((row) => (isDeep ? row.path.startsWith(`${firstPart}/`) : row.path === firstPart))
    ?.load()
    .catch(() => undefined);
