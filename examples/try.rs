//! try
#![allow(missing_docs, clippy::unwrap_used)]
use loganalyze::engine::{polars as engine, relation::Relation};
use polars::prelude::*;
fn main() {
    let mut args = std::env::args().skip(1);
    let file = std::fs::File::open(args.next().unwrap()).unwrap();
    let frame = ParquetReader::new(file).finish().unwrap();
    for path in args {
        let sql = std::fs::read_to_string(&path).unwrap();
        let mut best = f64::MAX;
        let mut height = 0;
        for _ in 0..20 {
            let relation = Relation::in_memory(frame.clone());
            let begin = std::time::Instant::now();
            height = if path.contains("incidents") {
                loganalyze::engine::incidents::query(&sql, &relation)
            } else {
                engine::query(&sql, &relation)
            }
            .unwrap()
            .height();
            best = best.min(begin.elapsed().as_secs_f64() * 1e3);
        }
        println!("{best:9.2} ms {height:8} rows {path}");
    }
}
