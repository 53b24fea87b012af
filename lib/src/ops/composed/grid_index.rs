use candle_core::{Device, Error, Result, Tensor};

/// The index of what is not there: candle's `index_select` makes it 0.
pub(super) const NOTHING: u32 = u32::MAX;

/// Larger than any index, and twice it is still a u32.
const OUTSIDE: u32 = 1 << 30;

/// For each place of an image what lies at some places around it, as one index for `index_select`: all
/// pairs of an entry of a row's list and one of a column's list point to the sum of both. Every axis
/// has lists of one length, K and L; with H and W lists the index is (H, W, K, L), flattened. An entry
/// that is `None` points to nothing.
///
/// It is put together on the device: the lists are short, the index is not.
pub(super) fn grid_index(
    rows: &[Vec<Option<usize>>],
    columns: &[Vec<Option<usize>>],
    device: &Device,
) -> Result<Tensor> {
    let list = |lists: &[Vec<Option<usize>>]| -> Result<Vec<u32>> {
        let entry = |entry: &Option<usize>| match *entry {
            None => Ok(OUTSIDE),
            // Half of what fits, so that the sum of two fits.
            Some(index) => u32::try_from(index).ok().filter(|&index| index < OUTSIDE / 2).ok_or_else(|| {
                Error::Msg(format!("an image with {index} places is too large; take a smaller one"))
            }),
        };
        lists.iter().flatten().map(entry).collect()
    };
    let length = |lists: &[Vec<Option<usize>>]| lists.first().map_or(0, Vec::len);
    let row_shape = (rows.len(), 1, length(rows), 1);
    let column_shape = (1, columns.len(), 1, length(columns));
    let rows = Tensor::from_vec(list(rows)?, row_shape, device)?;
    let columns = Tensor::from_vec(list(columns)?, column_shape, device)?;
    let sums = rows.broadcast_add(&columns)?.flatten_all()?;
    let everywhere = |value: u32| Tensor::full(value, (), device)?.broadcast_as(sums.shape());
    sums.ge(&everywhere(OUTSIDE)?)?.where_cond(&everywhere(NOTHING)?, &sums)
}
