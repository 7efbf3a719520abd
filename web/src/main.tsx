import '@mantine/core/styles.layer.css';
import '@mantine/notifications/styles.layer.css';
import '@mantine/spotlight/styles.layer.css';
import './app/base.css';
import { MantineProvider } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { setNonce } from 'get-nonce';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { queries } from './api/queries.ts';
import { router } from './app/routes.tsx';
import { colours, theme } from './app/theme.ts';

const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? '';
// For the style that keeps the page still behind a dialog.
setNonce(nonce);

createRoot(document.getElementById('root')!).render(
    <StrictMode>
        <MantineProvider
            theme={theme}
            cssVariablesResolver={colours}
            defaultColorScheme="auto"
            getStyleNonce={() => nonce}
        >
            <QueryClientProvider client={queries}>
                <Notifications position="bottom-right" autoClose={6000} />
                <RouterProvider router={router} />
            </QueryClientProvider>
        </MantineProvider>
    </StrictMode>,
);
