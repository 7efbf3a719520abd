import { Empty, Page } from '../../parts/page.tsx';

export default function Repositories() {
    return (
        <Page title="Repositories">
            <Empty title="This page is not here yet" />
        </Page>
    );
}
